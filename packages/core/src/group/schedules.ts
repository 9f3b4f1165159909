/** The schedules that come with the library. To add one: write the value; list it in `schedules` if it deserves a name. */
import { ConfigError } from "../errors.ts";
import type { RandomStream } from "../evaluate/random.ts";
import { defineSchedule, type GroupSize, type PlannedPair, type Schedule } from "./schedule.ts";
import { swissRounds } from "./swiss.ts";

const range = (length: number): readonly number[] => Array.from({ length }, (_, index) => index);

/** Every response against every fixed item, in both orders: any order bias cancels for both. */
const againstFixed = ({ responses, fixed }: GroupSize): readonly PlannedPair[] =>
  range(responses).flatMap((response) =>
    range(fixed).flatMap((at) => [
      { first: response, second: responses + at },
      { first: responses + at, second: response },
    ]),
  );

/**
 * Each response against the next m of a circle, itself shown first: every response is first exactly as often as second,
 * so the judge's order bias cancels for it. Offsets stop at half the circle, so no pair is asked twice in one order,
 * and none in both orders but the diagonals of an even circle, which need it to stay balanced.
 */
const circle = (responses: number, m: number): readonly PlannedPair[] =>
  range(Math.min(m, Math.floor(responses / 2))).flatMap((offset) =>
    range(responses).map((at) => ({ first: at, second: (at + offset + 1) % responses })),
  );

/** A share of the pairs once more in the other order. Pairs that were asked in both orders anyway are left alone. */
const monitors = (pairs: readonly PlannedPair[], share: number, random: RandomStream): readonly PlannedPair[] => {
  const asked = new Set(pairs.map(({ first, second }) => `${first},${second}`));
  const rest = pairs.filter(({ first, second }) => !asked.has(`${second},${first}`));
  const wanted = Math.min(rest.length, Math.ceil(share * pairs.length));
  return range(share > 0 ? wanted : 0).map(() => {
    const [{ first, second }] = rest.splice(random.below(rest.length), 1) as [PlannedPair];
    return { first: second, second: first, monitor: true };
  });
};

/** How a circulant schedule is drawn. */
export interface CirculantOptions {
  /** How many neighbours ahead each response meets: m·G calls. */
  readonly m: number;
  /** Share of the pairs that is asked again in the other order, to measure flips; 0 unless told otherwise. */
  readonly monitor?: number | undefined;
}

/**
 * Balanced circulant comparisons: min(m, ⌊G/2⌋)·G calls, all of which can run at once and start while responses are
 * still being written. Per call it tells more than asking the same pairs in both orders.
 *
 * @throws {ConfigError} when m or the share is out of range.
 */
export const circulant = ({ m, monitor = 0 }: CirculantOptions): Schedule => {
  if (!Number.isInteger(m) || m < 1) throw new ConfigError(`circulant m: expected a whole number from 1, got ${m}`);
  if (!(monitor >= 0 && monitor <= 1)) throw new ConfigError(`circulant monitor: expected a share, got ${monitor}`);
  return defineSchedule({
    name: `circulant-${m}${monitor > 0 ? `+${monitor}` : ""}`,
    pairs(size, random) {
      const ring = circle(size.responses, m);
      return [...ring, ...againstFixed(size), ...monitors(ring, monitor, random)];
    },
  });
};

/** Everyone against one: the fixed items when there are any (G calls each), else the first response (G − 1 calls). */
const pivot = defineSchedule({
  name: "pivot",
  pairs({ responses, fixed }) {
    const pivots = fixed > 0 ? range(fixed).map((at) => responses + at) : range(Math.min(1, responses));
    return pivots.flatMap((one) =>
      range(responses)
        .filter((other) => other !== one)
        // Every second one is shown before the pivot, so that the order term can be told from the pivot's strength.
        .map((other) => (other % 2 === 0 ? { first: other, second: one } : { first: one, second: other })),
    );
  },
});

/** All ordered pairs: G(G − 1) calls. */
const allPairs = defineSchedule({
  name: "all-pairs",
  pairs: (size) => [
    ...range(size.responses).flatMap((first) =>
      range(size.responses)
        .filter((second) => second !== first)
        .map((second) => ({ first, second })),
    ),
    ...againstFixed(size),
  ],
});

/**
 * Swiss rounds: neighbours in the ranking so far meet, nobody twice, and whoever was shown first less often is shown
 * first. ⌊G/2⌋ calls per round; better at naming the best response than a circle of as many calls, but each round
 * waits for the one before.
 *
 * @throws {ConfigError} when the number of rounds is out of range.
 */
export const swiss = ({ rounds }: { readonly rounds: number }): Schedule => {
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new ConfigError(`swiss rounds: expected a whole number from 1, got ${rounds}`);
  }
  const { opening, next } = swissRounds(rounds);
  return defineSchedule({
    name: `swiss-${rounds}`,
    pairs: (size, random) => [...opening(size, random), ...againstFixed(size)],
    next,
  });
};

/** The presets by name. Calls for G responses without fixed items, from G = 2m on. */
export const schedules = {
  /** G − 1 calls, or G against a reference. */
  fast: pivot,
  /** 2G calls. */
  balanced: circulant({ m: 2 }),
  /** 3.3G calls. */
  quality: circulant({ m: 3, monitor: 0.1 }),
  /** G(G − 1) calls. */
  exact: allPairs,
  /** 4·⌊G/2⌋ calls, in four rounds. */
  swiss: swiss({ rounds: 4 }),
} as const satisfies Record<string, Schedule>;

/** Name of a preset. */
export type SchedulePreset = keyof typeof schedules;
