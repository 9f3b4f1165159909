import type { RandomStream } from "../evaluate/random.ts";
import type { GroupSize, PlannedPair, ScheduleState } from "./schedule.ts";

const key = (a: number, b: number): string => (a < b ? `${a},${b}` : `${b},${a}`);

/** How often each response was shown first, less how often second. */
const firstness = (outcomes: readonly PlannedPair[], responses: number): readonly number[] => {
  const balance = new Array<number>(responses).fill(0);
  for (const { first, second } of outcomes) {
    if (first < responses) balance[first]!++;
    if (second < responses) balance[second]!--;
  }
  return balance;
};

/** Neighbours in the order given; the second of a pair is the nearest one that was not met yet, else the nearest. */
const pairUp = (ranking: readonly number[], met: ReadonlySet<string>): readonly (readonly [number, number])[] => {
  const waiting = [...ranking];
  const pairs: (readonly [number, number])[] = [];
  while (waiting.length > 1) {
    const one = waiting.shift()!;
    const fresh = waiting.findIndex((other) => !met.has(key(one, other)));
    const [other] = waiting.splice(Math.max(0, fresh), 1) as [number];
    pairs.push([one, other]);
  }
  return pairs;
};

/** With an odd number someone sits out: whoever met most, the lowest ranked of those. */
const withoutBye = (ranking: readonly number[], outcomes: readonly PlannedPair[]): readonly number[] => {
  if (ranking.length % 2 === 0) return ranking;
  const meetings = (item: number) => outcomes.filter(({ first, second }) => first === item || second === item).length;
  const bye = [...ranking].reverse().reduce((most, item) => (meetings(item) > meetings(most) ? item : most));
  return ranking.filter((item) => item !== bye);
};

const nextRound = ({ size, outcomes, strengths }: ScheduleState, random: RandomStream): readonly PlannedPair[] => {
  const { responses } = size;
  const balance = firstness(outcomes, responses);
  const ties = Array.from({ length: responses }, () => random.uint32());
  const ranking = Array.from({ length: responses }, (_, item) => item).sort(
    (a, b) => strengths[b]! - strengths[a]! || ties[a]! - ties[b]!,
  );
  const met = new Set(outcomes.map(({ first, second }) => key(first, second)));
  return pairUp(withoutBye(ranking, outcomes), met).map(([a, b]) => {
    const lead = balance[a]! - balance[b]! || (random.uint32() % 2 === 0 ? -1 : 1);
    return lead < 0 ? { first: a, second: b } : { first: b, second: a };
  });
};

/** The opening pairs neighbours, which can start as they arrive; every later round goes by the strengths so far. */
export const swissRounds = (rounds: number) => ({
  opening: ({ responses }: GroupSize, _random: RandomStream): readonly PlannedPair[] =>
    Array.from({ length: Math.floor(responses / 2) }, (_, at) => ({ first: 2 * at, second: 2 * at + 1 })),
  next: (state: ScheduleState, random: RandomStream): readonly PlannedPair[] =>
    state.round < Math.min(rounds, 2 * (state.size.responses - 1)) ? nextRound(state, random) : [],
});
