import fc from "fast-check";
import { expect, test } from "vitest";
import { decide, type OnTie } from "./aggregate.ts";
import { ConfigError } from "./errors.ts";
import { votesToSettle, tallyOf } from "./tally.ts";
import type { Judgment, UnreadableReason, Verdict } from "./types.ts";

type Said = 0 | 1 | "tie" | UnreadableReason;

const verdictOf = (said: Said): Verdict => {
  if (said === 0 || said === 1) return { kind: "winner", winner: said };
  return said === "tie" ? { kind: "tie" } : { kind: "unreadable", why: said };
};

const judgment = (said: Said, swapped = false, probability?: number): Judgment => ({
  verdict: verdictOf(said),
  reasoning: "",
  text: "",
  swapped,
  probability,
  usage: { promptTokens: null, completionTokens: null },
  latencyMs: 0,
  cached: false,
  warnings: [],
});

const winner = (index: 0 | 1) => ({ kind: "winner", winner: index });
const TIE = { kind: "tie" };

const anySaid = fc.constantFrom<Said>(0, 1, "tie", "no-answer", "cut-off", "refused");
const anyProbability = fc.option(
  fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(Number.NaN, -0.1, 1.1, Infinity)),
  { nil: undefined },
);
const anyJudgments = fc.array(
  fc.tuple(anySaid, fc.boolean(), anyProbability).map((tuple) => judgment(...tuple)),
  { minLength: 1, maxLength: 12 },
);

test.each<[string, readonly Judgment[], object]>([
  [
    "one vote",
    [judgment(0)],
    { verdict: winner(0), votes: [1, 0], consistent: null, probability: 1, probabilitySource: "votes" },
  ],
  [
    "two orders agree",
    [judgment(1), judgment(1, true)],
    { verdict: winner(1), votes: [0, 2], consistent: true, probability: 0, probabilitySource: "swap" },
  ],
  [
    "two orders disagree: a tie, flagged",
    [judgment(0), judgment(1, true)],
    { verdict: TIE, votes: [1, 1], consistent: false, probability: 0.5, probabilitySource: "swap" },
  ],
  [
    "one order names a winner, the other a tie: neither leads",
    [judgment(0), judgment("tie", true)],
    { verdict: TIE, votes: [1, 0], ties: 1, consistent: false, probability: 0.75, probabilitySource: "swap" },
  ],
  [
    "two votes in one order agree, but no order was swapped",
    [judgment(0, true), judgment(0, true)],
    { verdict: winner(0), consistent: null, probability: 1, probabilitySource: "votes" },
  ],
  [
    "both orders tie",
    [judgment("tie"), judgment("tie", true)],
    { verdict: TIE, ties: 2, consistent: true, probability: 0.5 },
  ],
  [
    "an unreadable order leaves the other one's word, and consistency unknown",
    [judgment(0), judgment("cut-off", true)],
    { verdict: winner(0), unreadable: 1, consistent: null, probability: 1, probabilitySource: "votes" },
  ],
  [
    "a majority over orders that disagree: 3 to 0 and 1 to 2",
    [judgment(0), judgment(0), judgment(0), judgment(0, true), judgment(1, true), judgment(1, true)],
    { verdict: winner(0), votes: [4, 2], consistent: false, probability: 4 / 6, probabilitySource: "votes" },
  ],
  [
    "a majority of ties is a tie",
    [judgment("tie"), judgment("tie"), judgment(0)],
    { verdict: TIE, ties: 2, probability: 2 / 3, probabilitySource: "votes" }, // (1 + 2/2) / 3
  ],
  [
    "log-probabilities: the mean of the orders' means, (0.9 + 0.7) / 2 and 0.2",
    [judgment(0, false, 0.9), judgment(0, false, 0.7), judgment(1, true, 0.2)],
    { verdict: winner(0), probability: 0.5, probabilitySource: "logprob" },
  ],
  [
    "an order without a log-probability would leave position bias in",
    [judgment(0, false, 0.9), judgment(0, true)],
    { probability: 1, probabilitySource: "swap" },
  ],
  [
    "numbers that are no probabilities do not count",
    [judgment(0, false, Number.NaN), judgment(0, true, 1.5)],
    { probability: 1, probabilitySource: "swap" },
  ],
  [
    "an unreadable critique's probability does not count",
    [judgment(0, false, 0.9), judgment("cut-off", false, 0.1), judgment(0, true, 0.7)],
    { probability: 0.8, probabilitySource: "logprob" },
  ],
])("%s", (_, judgments, expected) => {
  expect(decide(judgments)).toMatchObject({ judgments, ...expected });
});

test("nothing readable: the most frequent reason, and no numbers", () => {
  const reasons = ["empty", "cut-off", "cut-off", "no-answer"] as const;
  expect(decide(reasons.map((why, i) => judgment(why, i % 2 === 0, 0.5)))).toMatchObject({
    verdict: { kind: "unreadable", why: "cut-off" },
    votes: [0, 0],
    unreadable: 4,
    consistent: null,
    probability: null,
    probabilitySource: null,
  });
  const reversed = [judgment("refused"), judgment("no-answer")].map(({ verdict }) => ({ ...judgment(0), verdict }));
  expect(decide(reversed).verdict).toEqual(decide([...reversed].reverse()).verdict);
});

test.each<[OnTie, readonly Judgment[], Verdict["kind"], 0 | 1 | undefined]>([
  ["tie", [judgment(1, false, 0.1), judgment(0, true, 0.2)], "tie", undefined],
  ["first", [judgment("tie"), judgment(1), judgment(0, true)], "winner", 1],
  ["first", [judgment("tie"), judgment("tie"), judgment(1)], "tie", undefined], // a tie that won is no deadlock
  ["likeliest", [judgment(0, false, 0.6), judgment(1, true, 0.1)], "winner", 1], // (0.6 + 0.1) / 2 < 0.5
  ["likeliest", [judgment(0, false, 0.9), judgment(1, true, 0.4)], "winner", 0],
  ["likeliest", [judgment(0, false, 0.75), judgment(1, true, 0.25)], "tie", undefined],
  ["likeliest", [judgment(0), judgment(1, true, 0.1)], "tie", undefined], // one order has no probability
])("onTie %s: %#", (onTie, judgments, kind, index) => {
  expect(decide(judgments, { onTie }).verdict).toEqual(index === undefined ? { kind } : { kind, winner: index });
});

test("the order of the list does not matter, to the last bit", () => {
  const shuffled = anyJudgments.chain((list) =>
    fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
  );
  fc.assert(
    fc.property(shuffled, fc.constantFrom<OnTie>("tie", "likeliest"), ([list, other], onTie) => {
      const { judgments: _a, ...one } = decide(list, { onTie });
      const { judgments: _b, ...two } = decide(other, { onTie });
      expect(two).toStrictEqual(one);
    }),
    { numRuns: 500 },
  );
});

test("sums do not depend on the order of the list: 0.1 + 0.2 + 0.3 is not 0.3 + 0.2 + 0.1 in doubles", () => {
  expect(0.1 + 0.2 + 0.3).not.toBe(0.3 + 0.2 + 0.1);
  const list = [0.1, 0.2, 0.3].map((p) => judgment(1, false, p));
  expect(decide(list).probability).toBe(decide([...list].reverse()).probability);
});

test("a reversed list of verdicts gives the reversed decision", () => {
  const flip = (said: Judgment): Judgment => ({
    ...said,
    swapped: !said.swapped,
    verdict: said.verdict.kind === "winner" ? verdictOf(said.verdict.winner === 0 ? 1 : 0) : said.verdict,
  });
  fc.assert(
    fc.property(anyJudgments, (list) => {
      const bare = list.map((one) => ({ ...one, probability: undefined }));
      const [one, two] = [decide(bare), decide(bare.map(flip))];
      expect(two.verdict).toEqual(flip({ ...judgment(0), verdict: one.verdict }).verdict);
      expect(two.votes).toEqual([...one.votes].reverse());
      expect(two.consistent).toBe(one.consistent);
      if (one.probability !== null) expect(two.probability).toBeCloseTo(1 - one.probability, 12);
    }),
  );
});

test("against a plain loop; no NaN anywhere", () => {
  fc.assert(
    fc.property(anyJudgments, (list) => {
      const count = { "0": 0, "1": 0, tie: 0, unreadable: 0 };
      for (const { verdict } of list) {
        if (verdict.kind === "winner" && verdict.winner === 0) count["0"]++;
        else if (verdict.kind === "winner") count["1"]++;
        else if (verdict.kind === "tie") count.tie++;
        else count.unreadable++;
      }
      let expected = "unreadable";
      if (count["0"] + count["1"] + count.tie > 0) expected = "tie";
      if (count["0"] > count["1"] && count["0"] > count.tie) expected = "0";
      if (count["1"] > count["0"] && count["1"] > count.tie) expected = "1";
      const got = decide(list);
      const name = got.verdict.kind === "winner" ? String(got.verdict.winner) : got.verdict.kind;
      expect(name).toBe(expected);
      expect([...got.votes, got.ties, got.unreadable]).toEqual([count["0"], count["1"], count.tie, count.unreadable]);
      const p = got.probability;
      expect(p === null ? expected : p >= 0 && p <= 1).toBe(p === null ? "unreadable" : true);
      expect(got.probabilitySource === null).toBe(p === null);
    }),
    { numRuns: 500 },
  );
});

test("votesToSettle: the fewest votes for which some outcome leaves nothing to change, by trying all outcomes", () => {
  type Counts = readonly [number, number, number];
  const lead = (counts: Counts): number => counts.findIndex((c, i) => counts.every((d, j) => i === j || c > d));
  const outcomes = (counts: Counts, n: number): Counts[] => {
    if (n === 0) return [counts];
    const [a, b, t] = counts;
    return [[a + 1, b, t], [a, b + 1, t], [a, b, t + 1], counts].flatMap((next) => outcomes(next as Counts, n - 1));
  };
  const settled = (counts: Counts, remaining: number): boolean =>
    new Set(outcomes(counts, remaining).map(lead)).size === 1;
  const fewest = (counts: Counts, remaining: number): number => {
    for (let m = 0; m <= remaining; m += 1) {
      if (outcomes(counts, m).some((next) => settled(next, remaining - m))) return m;
    }
    throw new Error("unreachable: nothing remains in the end");
  };
  for (const a of [0, 1, 2, 3]) {
    for (const b of [0, 1, 2]) {
      for (const t of [0, 1, 2]) {
        for (const remaining of [0, 1, 2, 3, 4]) {
          const tally = { votes: [a, b] as const, ties: t, unreadable: {} };
          expect(votesToSettle(tally, remaining), `${a} ${b} ${t} +${remaining}`).toBe(fewest([a, b, t], remaining));
        }
      }
    }
  }
});

test("unreadable votes are counted by reason", () => {
  expect(tallyOf([judgment("empty"), judgment("empty"), judgment("refused"), judgment(1)])).toEqual({
    votes: [0, 1],
    ties: 0,
    unreadable: { empty: 2, refused: 1 },
  });
});

test("nothing to count, or a rule that is none, is refused", () => {
  expect(() => decide([])).toThrow(new ConfigError("decide: expected at least one judgment, got none"));
  expect(() => decide([judgment(0)], { onTie: "coin" as OnTie })).toThrow(ConfigError);
});
