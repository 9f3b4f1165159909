/** Answers that come one by one, each against the best so far. */
import { ConfigError } from "@r1reward/core";
import { against, type VsReferenceOptions } from "./scalarise.ts";
import type { Court, PreparedTask, Scalar, Scalariser } from "./types.ts";

/** How champions are kept. */
export interface RunningChampionOptions extends VsReferenceOptions {
  /** The first champion of a question that comes with a reference is the reference. On unless told otherwise. */
  readonly startAtReference?: boolean | undefined;
  /** Questions whose champion is remembered; the one asked for longest ago is forgotten first. 10,000 unless told otherwise. */
  readonly capacity?: number | undefined;
}

interface Champion {
  readonly text: string;
  /** Its value when it was crowned. */
  readonly level: number;
}

/** The value of an answer that beat the champion by `edge` (−1 to 1): half way to the end of the scale at most, never past it. */
const climb = (level: number, edge: number): number =>
  level + (edge > 0 ? ((1 - level) * edge) / 2 : ((1 + level) * edge) / 2);

const firstOf = (task: PreparedTask, startAtReference: boolean): Champion | undefined => {
  const { reference } = task;
  return startAtReference && reference !== undefined && reference.trim() !== ""
    ? { text: reference, level: 0 }
    : undefined;
};

/** Runs what has the same key one after the other. */
const createTurns = () => {
  const turns = new Map<string, Promise<unknown>>();
  return <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const mine = (turns.get(key) ?? Promise.resolve()).then(work);
    const settled: Promise<unknown> = mine
      .catch(() => undefined)
      .then(() => {
        if (turns.get(key) === settled) turns.delete(key);
      });
    turns.set(key, settled);
    return mine;
  };
};

/**
 * Each answer against the best one so far of its question, for hosts that ask about one answer at a time (best of n, refine).
 *
 * An answer that wins becomes the champion and its value lies between its predecessor's and 1; one that loses gets less
 * than the champion has. So the highest value given for a question is always the latest champion's, which is what a host that
 * keeps the maximum needs. The values are ordinal: they rank the answers to one question and mean nothing across
 * questions. The first answer, when there is no reference to start at, is the champion and gets 0: it has met nobody.
 *
 * State: the champions, for as long as this object lives. Answers to one question are compared one after the other.
 *
 * @throws {ConfigError} when the capacity is not a whole number from 1.
 */
export const runningChampion = (options: RunningChampionOptions = {}): Scalariser => {
  const { startAtReference = true, capacity = 10_000, value } = options;
  if (!Number.isInteger(capacity) || capacity < 1) {
    throw new ConfigError(`runningChampion capacity: expected a whole number from 1, got ${capacity}`);
  }
  const champions = new Map<string, Champion>();
  const inTurn = createTurns();

  const crown = (group: string, champion: Champion): void => {
    champions.delete(group);
    champions.set(group, champion);
    if (champions.size > capacity) champions.delete(champions.keys().next().value!);
  };

  const meet = async (task: PreparedTask, court: Court, signal: AbortSignal | undefined): Promise<Scalar> => {
    const champion = champions.get(task.group) ?? firstOf(task, startAtReference);
    if (champion === undefined) {
      if (task.response.trim() === "") return { value: -1, critique: "This answer is empty." };
      crown(task.group, { text: task.response, level: 0 });
      return { value: 0, critique: "" };
    }
    const called = champions.has(task.group) ? "the best answer so far" : "the reference answer";
    const met = await against({ text: champion.text, called }, task, { court, signal, value });
    // What cannot be told, or is no number, changes nothing: the caller reports it.
    if (met.value === null || !Number.isFinite(met.value)) return met;
    const level = climb(champion.level, Math.max(-1, Math.min(1, met.value)));
    crown(task.group, met.value > 0 ? { text: task.response, level } : champion);
    return { ...met, value: level };
  };

  return {
    name: "running-champion",
    scalarise: (tasks, court, { signal }) => tasks.map((task) => inTurn(task.group, () => meet(task, court, signal))),
  };
};
