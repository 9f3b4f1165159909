/** Turns a schedule, which speaks of positions, into pairs of the nodes that are there. */
import { ConfigError } from "../errors.ts";
import { randomStream, type RandomStream } from "../evaluate/random.ts";
import { sha256 } from "../hash.ts";
import type { GroupSize, PlannedPair, Schedule } from "./schedule.ts";

/** What a plan is made from. */
export interface PlanOptions {
  readonly schedule: Schedule;
  readonly fixed: number;
  /** Expected responses; `undefined` when nobody knows, and then `capacity` is as many as may come. */
  readonly size: number | undefined;
  readonly capacity: number;
  readonly seed: number;
  readonly id: string;
}

/** A group's comparisons, in nodes: fixed ones first, then responses in the order in which they came. */
export interface Plan {
  /** Pairs that can be judged once this node is there, all of whose nodes came no later. */
  readonly readyWith: (node: number) => readonly PlannedPair[];
  /** What is left to judge when the group closes with this many different responses. */
  readonly rest: (responses: number, started: readonly PlannedPair[]) => readonly PlannedPair[];
  /** `[responses + fixed]`: the node at each position of a group closed with this many responses. */
  readonly nodesAt: (responses: number) => readonly number[];
  /** The stream of a later round. */
  readonly random: (round: number) => RandomStream;
}

const range = (length: number): number[] => Array.from({ length }, (_, index) => index);

const shuffle = (values: number[], random: RandomStream): readonly number[] => {
  for (let last = values.length - 1; last > 0; last--) {
    const other = random.below(last + 1);
    [values[last], values[other]] = [values[other]!, values[last]!];
  }
  return values;
};

/** Checks that a schedule named items of the group. @throws {ConfigError} naming the schedule and the pair. */
export const checkPairs = (
  { name }: Schedule,
  pairs: readonly PlannedPair[],
  { responses, fixed }: GroupSize,
): readonly PlannedPair[] => {
  const isItem = (item: number) => Number.isInteger(item) && item >= 0 && item < responses + fixed;
  const wrong = pairs.find(({ first, second }) => !isItem(first) || !isItem(second) || first === second);
  if (wrong !== undefined) {
    const got = `${wrong.first} and ${wrong.second}`;
    throw new ConfigError(`schedule ${name}: expected pairs of different items below ${responses + fixed}, got ${got}`);
  }
  return pairs;
};

const inNodes = (pairs: readonly PlannedPair[], nodes: readonly number[]): readonly PlannedPair[] =>
  pairs.map((pair) => ({ ...pair, first: nodes[pair.first]!, second: nodes[pair.second]! }));

const take = (from: PlannedPair[], first: number, second: number): boolean => {
  const at = from.findIndex((pair) => pair.first === first && pair.second === second);
  if (at >= 0) from.splice(at, 1);
  return at >= 0;
};

/** `wanted` without what was started: a pair in the same order if there is one, else the same pair in the other. */
const without = (wanted: readonly PlannedPair[], started: readonly PlannedPair[]): readonly PlannedPair[] => {
  const left = [...started];
  const unmatched = wanted.filter(({ first, second }) => !take(left, first, second));
  return unmatched.filter(({ first, second, monitor }) => monitor === true || !take(left, second, first));
};

/** Lays out a group's comparisons. The result depends on the options alone, not on when anything happens. */
export const planGroup = ({ schedule, fixed, size, capacity, seed, id }: PlanOptions): Plan => {
  const streamSeed = Number.parseInt(sha256(JSON.stringify([seed, id])).slice(0, 8), 16);
  const slotAt = size === undefined ? range(capacity) : shuffle(range(capacity), randomStream(streamSeed ^ 1));
  const fixedNodes = range(fixed);
  const draw = (responses: number) => {
    const bounds = { responses, fixed };
    const pairs = checkPairs(schedule, schedule.pairs(bounds, randomStream(streamSeed)), bounds);
    return inNodes(pairs, nodesAt(responses));
  };
  // Leaving out who never came keeps the others' neighbours on a circle neighbours: what was started stays useful.
  const nodesAt = (responses: number) => [
    ...slotAt.filter((slot) => slot < responses).map((slot) => fixed + slot),
    ...fixedNodes,
  ];
  const readyAt = new Map<number, PlannedPair[]>();
  for (const pair of draw(capacity).filter(({ monitor }) => monitor !== true)) {
    const later = Math.max(pair.first, pair.second);
    const ready = readyAt.get(later) ?? [];
    readyAt.set(later, ready);
    ready.push(pair);
  }
  return {
    readyWith: (node) => readyAt.get(node) ?? [],
    rest: (responses, started) => without(draw(responses), started),
    nodesAt,
    random: (round) => randomStream(streamSeed + round),
  };
};
