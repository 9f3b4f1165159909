import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { firstJudge, longerJudge, randomJudge } from "./baselines.ts";
import { comparePair } from "./compare.ts";
import { pairwiseJudgeContract } from "./testing/contracts/index.ts";
import type { Preference } from "./types.ts";

const pairOf = (first: string, second: string): Preference => ({
  id: "p",
  question: [{ type: "text", text: "Q" }],
  responses: [first, second],
});

for (const create of [() => longerJudge, () => firstJudge, () => randomJudge(3)]) {
  describe(create().name, () => {
    for (const { name, run } of pairwiseJudgeContract({ create })) test(`contract: ${name}`, run);
  });
}

test("longer: code points, not UTF-16 units; equal lengths tie", async () => {
  const verdict = async (a: string, b: string) => (await longerJudge.judge(pairOf(a, b))).verdict;
  expect(await verdict("abc", "ab")).toEqual({ kind: "winner", winner: 0 });
  expect(await verdict("🙂🙂", "abc")).toEqual({ kind: "winner", winner: 1 }); // 2 code points in 4 units, against 3
  expect(await verdict("🙂", "a")).toEqual({ kind: "tie" });
  expect(await verdict("", "")).toEqual({ kind: "tie" });
});

test("longer is blind to position, first sees nothing else", async () => {
  await fc.assert(
    fc.asyncProperty(fc.string(), fc.string(), async (a, b) => {
      const pair = pairOf(a, b);
      expect((await comparePair(longerJudge, pair)).consistent).toBe(true);
      expect(await comparePair(firstJudge, pair)).toMatchObject({ verdict: { kind: "tie" }, consistent: false });
      expect((await firstJudge.judge(pair, { swapped: true })).verdict).toEqual({ kind: "winner", winner: 1 });
    }),
  );
});

test("random: a fair coin of seed, pair, order and sample, whatever was asked before", async () => {
  const pairs = Array.from({ length: 1_000 }, (_, i) => pairOf(`a${i}`, `b${i}`));
  const toss = (seed: number, options = {}) =>
    Promise.all(
      pairs.map(async (pair) => {
        const { verdict } = await randomJudge(seed).judge(pair, options);
        return verdict.kind === "winner" && verdict.winner === 0;
      }),
    );
  const base = await toss(1);
  expect(await toss(1)).toEqual(base);
  const share = (coins: readonly boolean[]) => coins.filter(Boolean).length / coins.length;
  // 1,000 tosses: standard deviation 0.0158; the hash is fixed, so four of them cannot flake.
  for (const other of [await toss(2), await toss(1, { swapped: true }), await toss(1, { sample: 1 })]) {
    expect(Math.abs(share(other) - 0.5)).toBeLessThan(0.064);
    expect(Math.abs(share(other.map((coin, i) => coin === base[i])) - 0.5)).toBeLessThan(0.064);
  }
});

test("a baseline costs nothing", async () => {
  expect(await randomJudge().judge(pairOf("a", "b"))).toMatchObject({
    usage: { promptTokens: 0, completionTokens: 0 },
    latencyMs: 0,
    cached: false,
  });
});
