import fc from "fast-check";
import { expect, test } from "vitest";
import type { OnTie } from "./aggregate.ts";
import { firstJudge, longerJudge } from "./baselines.ts";
import { comparePair, type CompareOptions } from "./compare.ts";
import { ConfigError, ModelError } from "./errors.ts";
import type { JudgeOptions, PairwiseJudge } from "./interfaces.ts";
import { swapPair, swapVerdict } from "./swap.ts";
import type { Preference, Verdict } from "./types.ts";
import type { Orders } from "./vote-plan.ts";

const pair: Preference = { id: "p", question: [{ type: "text", text: "Q" }], responses: ["a longer one", "short"] };

type Said = 0 | 1 | "tie" | "unreadable";
const verdictOf = (said: Said): Verdict => {
  if (said === "tie") return { kind: "tie" };
  return said === "unreadable" ? { kind: "unreadable", why: "no-answer" } : { kind: "winner", winner: said };
};

interface Watched extends PairwiseJudge {
  readonly asked: JudgeOptions[];
  mostAtOnce: number;
}

/** Says what a table has for each order and sample, after as many milliseconds as another table has. */
const tableJudge = (said: (swapped: boolean, sample: number) => Said | Error, delay = (_: number) => 0): Watched => {
  let underWay = 0;
  const judge: Watched = {
    name: "table",
    asked: [],
    mostAtOnce: 0,
    judge: async (_, { swapped = false, sample = 0, ...rest } = {}) => {
      judge.asked.push({ swapped, sample, ...rest });
      judge.mostAtOnce = Math.max(judge.mostAtOnce, (underWay += 1));
      await new Promise((resolve) => setTimeout(resolve, delay(judge.asked.length)));
      underWay -= 1;
      const word = said(swapped, sample);
      if (word instanceof Error) throw word;
      const usage = { promptTokens: 1, completionTokens: 1 };
      const text = `${swapped}/${sample}`;
      return {
        verdict: verdictOf(word),
        reasoning: "",
        text,
        swapped,
        usage,
        latencyMs: 0,
        cached: false,
        warnings: [],
      };
    },
  };
  return judge;
};

test("by default: both orders once each; disagreement is a tie and says so", async () => {
  const judge = tableJudge(() => 0);
  expect(await comparePair(judge, pair)).toMatchObject({ verdict: { winner: 0 }, votes: [2, 0], consistent: true });
  expect(judge.asked.map(({ swapped, sample, samples }) => [swapped, sample, samples]).sort()).toEqual([
    [false, 0, 1],
    [true, 0, 1],
  ]);
  expect(await comparePair(firstJudge, pair)).toMatchObject({
    verdict: { kind: "tie" },
    votes: [1, 1],
    consistent: false,
  });
  expect(await comparePair(longerJudge, pair)).toMatchObject({ verdict: { winner: 0 }, probability: 1 });
});

test("votes say how many samples their order takes, and stand in the order of the plan", async () => {
  const judge = tableJudge(
    () => 1,
    (call) => 12 - call * 2,
  );
  const { judgments } = await comparePair(judge, pair, { votes: 5 });
  expect(judge.asked.every(({ samples }) => samples === 3)).toBe(true);
  const texts = judge.asked.map(({ swapped, sample }) => `${swapped}/${sample}`);
  expect(judgments.map(({ text }) => text)).toEqual(texts);
  expect(new Set(texts).size).toBe(5);
});

test("a decision does not depend on which response is stored first, whatever the judge's position bias", async () => {
  const mirrored = fc.record({
    orders: fc.constantFrom<Orders>("both", "random"),
    votes: fc.integer({ min: 1, max: 5 }),
    a: fc.string(),
    b: fc.string(),
  });
  await fc.assert(
    fc.asyncProperty(mirrored, async ({ orders, votes, a, b }) => {
      fc.pre(a !== b);
      const asked: Preference = { ...pair, responses: [a, b] };
      const stored = await comparePair(firstJudge, asked, { orders, votes });
      const reversed = await comparePair(firstJudge, swapPair(asked), { orders, votes });
      expect(reversed.verdict).toEqual(swapVerdict(stored.verdict));
      expect(reversed.votes).toEqual([...stored.votes].reverse());
    }),
  );
});

test("early stop: the verdict of full voting, for every table, delay, width and way to break ties", async () => {
  const cases = fc.record({
    table: fc.array(fc.constantFrom<Said>(0, 0, 1, "tie", "unreadable"), { minLength: 22, maxLength: 22 }),
    votes: fc.integer({ min: 1, max: 11 }),
    concurrency: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
    onTie: fc.constantFrom<OnTie>("tie", "first", "likeliest"),
    orders: fc.constantFrom<Orders>("both", "random", "as-stored"),
  });
  let saved = 0;
  await fc.assert(
    fc.asyncProperty(cases, async ({ table, ...options }) => {
      const said = (swapped: boolean, sample: number): Said => table[sample * 2 + Number(swapped)]!;
      const full = await comparePair(tableJudge(said), pair, options);
      const judge = tableJudge(said, (call) => (call * 7) % 3);
      const stopped = await comparePair(judge, pair, { ...options, earlyStop: true });
      expect(stopped.verdict).toEqual(full.verdict);
      expect(judge.mostAtOnce).toBeLessThanOrEqual(options.concurrency ?? Infinity);
      saved += options.votes - judge.asked.length;
    }),
    { numRuns: 200 },
  );
  expect(saved).toBeGreaterThan(0);
});

test("early stop asks for no more at once than could settle it", async () => {
  const unanimous = tableJudge(() => 0);
  const options: CompareOptions = { votes: 15, earlyStop: true };
  expect(await comparePair(unanimous, pair, options)).toMatchObject({ votes: [8, 0] }); // 8 of 15 is a majority
  expect(unanimous.mostAtOnce).toBe(8);
  const split = tableJudge((swapped) => (swapped ? 0 : 1)); // every vote is needed to see that it is a tie
  expect(await comparePair(split, pair, { votes: 6, earlyStop: true })).toMatchObject({
    votes: [3, 3],
    consistent: false,
  });
  const pairOfVotes = tableJudge(() => 0);
  await comparePair(pairOfVotes, pair, { earlyStop: true });
  expect(pairOfVotes.asked).toHaveLength(2); // one vote of two never settles it
});

test("concurrency bounds the critiques under way", async () => {
  const judge = tableJudge(
    () => 0,
    () => 1,
  );
  await comparePair(judge, pair, { votes: 9, concurrency: 2 });
  expect(judge.mostAtOnce).toBe(2);
  expect(judge.asked).toHaveLength(9);
});

test("a failure stops the sending, waits for what is under way, and is thrown", async () => {
  const busy = new ModelError("busy", { model: "m", retryable: true });
  let finished = 0;
  const judge = tableJudge(
    (swapped, sample) => (swapped && sample === 0 ? busy : (finished++, 0)),
    () => 5,
  );
  await expect(comparePair(judge, pair, { votes: 8, concurrency: 2 })).rejects.toBe(busy);
  expect(judge.asked.length).toBeLessThanOrEqual(3);
  expect(finished).toBe(judge.asked.length - 1);
  const plain = tableJudge(() => new Error("boom"));
  await expect(comparePair(plain, pair)).rejects.toThrow(
    new ModelError("table: boom", { model: "table", retryable: false }),
  );
});

test("abort: nothing new is sent, and the caller is told", async () => {
  const controller = new AbortController();
  const judge = tableJudge(
    () => {
      controller.abort("enough");
      return new Error("socket closed");
    },
    () => 1,
  );
  const failure = comparePair(judge, pair, { votes: 6, concurrency: 1, signal: controller.signal });
  await expect(failure).rejects.toMatchObject({ code: "R1_ABORTED", cause: "enough" });
  expect(judge.asked).toHaveLength(1);
  await expect(comparePair(judge, pair, { signal: controller.signal })).rejects.toMatchObject({ code: "R1_ABORTED" });
  expect(judge.asked).toHaveLength(1);
});

test.each<CompareOptions>([
  { votes: 0 },
  { concurrency: 0 },
  { concurrency: Number.NaN },
  { onTie: "coin" as OnTie },
  { orders: "sorted" as Orders },
])("options that cannot work are refused before anything is sent: %j", async (options) => {
  const judge = tableJudge(() => 0);
  await expect(comparePair(judge, pair, options)).rejects.toBeInstanceOf(ConfigError);
  expect(judge.asked).toHaveLength(0);
});
