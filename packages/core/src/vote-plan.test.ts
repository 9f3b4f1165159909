import fc from "fast-check";
import { expect, test } from "vitest";
import { ConfigError } from "./errors.ts";
import { pairCoin } from "./pair-hash.ts";
import { swapPair } from "./swap.ts";
import type { Part, Preference } from "./types.ts";
import { planVotes, type Orders } from "./vote-plan.ts";

const pairOf = (first: string, second: string, question = "Q"): Preference => ({
  id: "same for all",
  question: [{ type: "text", text: question }],
  responses: [first, second],
});
const pairs = Array.from({ length: 2_000 }, (_, i) => pairOf(`good ${i}`, `bad ${i}`));
const anyPair = fc.tuple(fc.string(), fc.string(), fc.string()).map(([a, b, q]) => pairOf(a, b, q));
const anyOrders = fc.constantFrom<Orders>("both", "random", "as-stored");

test("by default each order is asked once", () => {
  expect(
    planVotes(pairs[0]!)
      .map(({ swapped }) => swapped)
      .sort(),
  ).toEqual([false, true]);
  expect(planVotes(pairs[0]!, { orders: "as-stored" })).toEqual([{ swapped: false, sample: 0 }]);
  expect(planVotes(pairs[0]!, { orders: "random" })).toHaveLength(1);
});

test("both: votes alternate, so the orders are never more than one vote apart", () => {
  fc.assert(
    fc.property(anyPair, fc.integer({ min: 1, max: 30 }), (pair, votes) => {
      const plan = planVotes(pair, { votes });
      plan.forEach((vote, i) => expect(vote.swapped).toBe(i % 2 === 0 ? plan[0]!.swapped : !plan[0]!.swapped));
    }),
  );
});

test("samples count from 0 within each order, and more votes only add to the plan", () => {
  fc.assert(
    fc.property(anyPair, anyOrders, fc.integer({ min: 1, max: 20 }), (pair, orders, votes) => {
      const plan = planVotes(pair, { votes, orders });
      for (const swapped of [false, true]) {
        const samples = plan.filter((vote) => vote.swapped === swapped).map(({ sample }) => sample);
        expect(samples).toEqual(samples.map((_, i) => i));
      }
      expect(planVotes(pair, { votes: votes + 1, orders }).slice(0, votes)).toEqual(plan);
    }),
  );
});

test("hashed orders do not know which response is stored first", () => {
  fc.assert(
    fc.property(anyPair, fc.constantFrom<Orders>("both", "random"), fc.integer(), (pair, orders, seed) => {
      fc.pre(pair.responses[0] !== pair.responses[1]);
      const reversed = planVotes(swapPair(pair), { votes: 5, orders, seed });
      expect(reversed.map(({ swapped }) => !swapped)).toEqual(
        planVotes(pair, { votes: 5, orders, seed }).map(({ swapped }) => swapped),
      );
    }),
  );
});

test("hashed orders are fair coins: over pairs, over votes and over seeds", () => {
  const rate = (coins: readonly boolean[]): number => coins.filter(Boolean).length / coins.length;
  const first = (options: object) => pairs.map((pair) => planVotes(pair, options)[0]!.swapped);
  const random = pairs.map((pair) => planVotes(pair, { votes: 2, orders: "random" }).map(({ swapped }) => swapped));
  const agree = (a: readonly boolean[], b: readonly boolean[]) => rate(a.map((coin, i) => coin === b[i]));
  // 2,000 tosses: standard deviation 0.0112, so 0.05 is more than four of them. The hash is fixed, so this cannot flake.
  const rates = [
    rate(first({ votes: 1 })),
    rate(first({ orders: "random" })),
    agree(
      random.map(([one]) => one!),
      random.map(([, two]) => two!),
    ),
    agree(first({ votes: 1, seed: 1 }), first({ votes: 1, seed: 2 })),
  ];
  for (const one of rates) expect(Math.abs(one - 0.5)).toBeLessThan(0.05);
});

test("the coin hears id, texts and salt, and is deaf to labels and to where pictures lie", () => {
  const tosses = (change: (pair: Preference, i: number) => Preference, salt = "salt") =>
    pairs.slice(0, 200).map((pair, i) => pairCoin(change(pair, i), salt));
  const withPicture = (part: Part) => tosses((pair) => ({ ...pair, question: [part, ...pair.question] }));
  const plain = tosses((pair) => pair);
  expect(tosses((pair) => ({ ...pair, human: 1, meta: { x: 1 } }))).toEqual(plain);
  expect(tosses((pair) => ({ ...pair, id: "other" }))).not.toEqual(plain);
  expect(tosses((pair) => ({ ...pair, question: [{ type: "text", text: "R" }] }))).not.toEqual(plain);
  expect(tosses((pair) => pair, "pepper")).not.toEqual(plain);
  const here = withPicture({ type: "image", image: { path: "/here/a.png" } });
  expect(withPicture({ type: "image", image: { path: "/there/a.png" } })).toEqual(here);
  expect(withPicture({ type: "image", image: { dataUri: "data:image/png;base64,AAAA" } })).toEqual(here);
});

test.each([
  [{ votes: 0 }, "votes: expected a whole number of at least 1, got 0"],
  [{ votes: 1.5 }, "votes: expected a whole number of at least 1, got 1.5"],
  [{ votes: Number.NaN }, "votes: expected a whole number of at least 1, got NaN"],
  [{ orders: "sorted" as Orders }, 'orders: expected "both", "random" or "as-stored", got "sorted"'],
  [{ seed: 0.5 }, "seed: expected a whole number, got 0.5"],
])("options out of range are refused: %j", (options, message) => {
  expect(() => planVotes(pairs[0]!, options)).toThrow(new ConfigError(message));
});
