/** A group that is judged while its responses come in. */
import { orAborted } from "../concurrency.ts";
import { AbortError, ConfigError, throwIfAborted } from "../errors.ts";
import type { CallOptions, PairwiseJudge } from "../interfaces.ts";
import { onAbort } from "../abort.ts";
import { createAsker, type AskContext, type Asked } from "./ask.ts";
import { bradleyTerry } from "./bradley-terry.ts";
import { DEFAULT_GROUP_CAPACITY, resolveOptions, type GroupSettings, type OpenGroupOptions } from "./options.ts";
import { checkPairs, planGroup, type Plan } from "./plan.ts";
import { addMember, createRoster, type Roster } from "./roster.ts";
import type { PlannedPair, Schedule } from "./schedule.ts";
import { outcomesOf, scoreComparisons } from "./score.ts";
import type { GroupScores } from "./types.ts";

/** Takes responses until it is closed, and judges pairs as soon as both are there. */
export interface OpenGroup {
  /**
   * Adds a response and returns its place in the results. Ids are its place in words unless told otherwise.
   *
   * @throws {ConfigError} when the group is closed or full, or the id is taken.
   */
  add(response: string, id?: string): number;
  /** No more responses: judges what is left. Closing twice does nothing. */
  close(): void;
  /**
   * The scores, once the group is closed and judged; everyone who asks gets the same object. The signal ends this wait
   * alone; the signal given to `openGroup` ends the judging.
   *
   * @throws {AbortError} when either signal fires.
   * @throws {R1Error} when judging failed for a reason that is not one pair's.
   */
  result(options?: CallOptions): Promise<GroupScores>;
}

/** A group on its way. */
interface State {
  readonly settings: GroupSettings;
  readonly roster: Roster;
  readonly plan: Plan;
  readonly started: PlannedPair[];
  readonly asked: Promise<Asked>[];
  readonly ask: (pair: PlannedPair) => void;
}

/** Rounds that an adaptive schedule may ask for. */
const MAX_ROUNDS = 1000;

const nextPairs = (state: State, schedule: Schedule, asked: readonly Asked[], round: number) => {
  if (schedule.next === undefined) return [];
  const { roster, plan, settings } = state;
  const { fixed } = roster;
  const size = { responses: roster.texts.length - fixed, fixed };
  const nodes = plan.nodesAt(size.responses);
  const position = new Map(nodes.map((node, at) => [node, at]));
  const { strengths } = bradleyTerry(outcomesOf(asked), { ...settings.fit, items: nodes.length });
  const outcomes = asked.map(({ nodes: [i, j], comparison: { p, swapped, monitor } }) => {
    const [first, second] = swapped ? [j, i] : [i, j];
    const firstWins = p === null ? null : swapped ? 1 - p : p;
    return { first: position.get(first)!, second: position.get(second)!, monitor, p: firstWins };
  });
  const known = { size, round, outcomes, strengths: nodes.map((node) => strengths[node]!) };
  return checkPairs(schedule, schedule.next(known, plan.random(round)), size).map((pair) => ({
    ...pair,
    first: nodes[pair.first]!,
    second: nodes[pair.second]!,
  }));
};

const finish = async (state: State): Promise<GroupScores> => {
  const { settings, roster, plan, started } = state;
  plan.rest(roster.texts.length - roster.fixed, started).forEach(state.ask);
  for (let round = 1; ; round++) {
    const asked = await Promise.all(state.asked);
    const pairs = nextPairs(state, settings.schedule, asked, round);
    if (pairs.length === 0) return scoreComparisons(roster, asked, settings);
    if (round === MAX_ROUNDS) {
      throw new ConfigError(
        `schedule ${settings.schedule.name}: expected an end within ${MAX_ROUNDS} rounds, got none`,
      );
    }
    pairs.forEach(state.ask);
  }
};

const start = (
  judge: PairwiseJudge,
  options: OpenGroupOptions,
  ending: Pick<AskContext, "signal" | "giveUp">,
): State => {
  const settings = resolveOptions(options);
  const roster = createRoster(options.reference, options.anchors);
  const { question, id = "", size } = options;
  const { schedule, seed } = settings;
  const capacity = size ?? DEFAULT_GROUP_CAPACITY;
  const plan = planGroup({ schedule, fixed: roster.fixed, size, capacity, seed, id });
  const asker = createAsker({ judge, question, id, roster, settings, ...ending });
  const started: PlannedPair[] = [];
  const asked: Promise<Asked>[] = [];
  const ask = (pair: PlannedPair): void => {
    started.push(pair);
    asked.push(asker(pair));
  };
  return { settings, roster, plan, started, asked, ask };
};

/**
 * Opens a group. Comparisons depend on the seed, the id and the order in which responses are added, never on when they
 * are added or when replies come back.
 *
 * Equal responses are judged once and rewarded alike. A response of nothing but white space is not judged: it loses to
 * every response that says something, because there is nothing in it to compare, and a judge that is asked all the same
 * is an invitation to find inputs it stumbles over. A response that equals the reference shares its place.
 *
 * @throws {ConfigError} naming the option that is out of range.
 */
export const openGroup = (judge: PairwiseJudge, options: OpenGroupOptions): OpenGroup => {
  const controller = new AbortController();
  const { promise, resolve, reject } = deferred<GroupScores>();
  const fail = (error: unknown): void => {
    reject(error);
    controller.abort(error);
  };
  const state = start(judge, options, { signal: controller.signal, giveUp: fail });
  let closed = false;
  const stop = (reason: unknown): void => fail(new AbortError("aborted by the caller", { cause: reason }));
  if (options.signal?.aborted) stop(options.signal.reason);
  const release = options.signal === undefined ? () => undefined : onAbort(options.signal, stop);
  // Handles the rejection as well: a group whose result nobody asks for must not bring the process down.
  promise.then(release, release);

  const ask = (pair: PlannedPair): void => {
    state.ask(pair);
    state.asked.at(-1)!.catch(fail);
  };
  return {
    add(response, id) {
      if (closed) throw new ConfigError("group: expected responses before it is closed, got one after");
      const capacity = options.size ?? DEFAULT_GROUP_CAPACITY;
      const node = addMember(state.roster, response, { id, capacity });
      if (node !== null && !controller.signal.aborted) state.plan.readyWith(node).forEach(ask);
      return state.roster.members.length - 1;
    },
    close() {
      if (closed) return;
      closed = true;
      if (!controller.signal.aborted) finish({ ...state, ask }).then(resolve, fail);
    },
    async result({ signal } = {}) {
      throwIfAborted(signal);
      return orAborted(promise, signal);
    },
  };
};

const deferred = <T>() => {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((accept, refuse) => {
    resolve = accept;
    reject = refuse;
  });
  return { promise, resolve, reject };
};
