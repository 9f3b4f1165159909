import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dataOrder, lengthOrder, minibatches, permutation } from "./order.ts";

describe("order", () => {
  it("takes everything once per pass, whatever the batches, and is a function of the position", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.nat(1000), fc.integer({ min: 1, max: 25 }), (n, seed, batch) => {
        const [order, fresh] = [dataOrder({ seed, n }), () => dataOrder({ seed, n })];
        const all = Array.from({ length: Math.ceil((3 * n) / batch) }, (_, i) => order(i * batch, batch)).flat();
        expect(fresh()(2 * n, n)).toEqual(all.slice(2 * n, 3 * n));
        for (let pass = 0; pass < 3; pass++) {
          expect([...new Set(all.slice(pass * n, (pass + 1) * n))].sort((a, b) => a - b)).toEqual(
            Array.from({ length: n }, (_, i) => i),
          );
        }
        expect(
          minibatches(n, batch, [seed, 1, 0])
            .flat()
            .sort((a, b) => a - b),
        ).toEqual(Array.from({ length: n }, (_, i) => i));
      }),
      { numRuns: 100 },
    );
    expect(permutation(20, 1)).not.toEqual(permutation(20, 2));
    expect(minibatches(20, 5, [1, 1, 0])).not.toEqual(minibatches(20, 5, [1, 1, 1]));
  });

  it("sorts rows into batches of like length, and the batches into another order for every group", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(9), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 9 }),
        (lengths, n) => {
          const batches = lengthOrder(lengths, n, [3, 0]);
          expect(batches.flat().sort((a, b) => a - b)).toEqual([...lengths.keys()]);
          const sizes = batches.map((batch) => batch.length).sort((a, b) => b - a);
          expect(sizes.slice(0, -1).every((size) => size === n)).toBe(true);
          const spans = batches.map((batch) => batch.map((i) => lengths[i] as number));
          spans.sort((a, b) => Math.min(...a) - Math.min(...b) || Math.max(...a) - Math.max(...b));
          for (const [i, span] of spans.slice(1).entries())
            expect(Math.min(...span)).toBeGreaterThanOrEqual(Math.max(...(spans[i] as number[])));
        },
      ),
    );
    const lengths = Array.from({ length: 64 }, (_, i) => i);
    expect(lengthOrder(lengths, 4, [3, 0])).not.toEqual(lengthOrder(lengths, 4, [3, 1]));
  });
});
