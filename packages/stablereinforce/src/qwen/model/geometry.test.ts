import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { caseOf } from "../../../test/qwen-golden.ts";
import type { Grid } from "../inputs/types.ts";
import { parseQwenConfig, visionGeometry, visionInputs } from "./index.ts";

const config = parseQwenConfig(caseOf("sizes").config); // windows of 2 × 2 merged patches
const even = fc.integer({ min: 1, max: 6 }).map((n) => 2 * n);
const grid: fc.Arbitrary<Grid> = fc.tuple(fc.integer({ min: 1, max: 3 }), even, even);

/** Patches of each group by their row in window order, without padding. */
const groupsOf = ({ data, shape }: { data: ArrayLike<number>; shape: readonly number[] }): number[][] =>
  Array.from({ length: shape[0] as number }, (_, g) =>
    Array.from({ length: shape[1] as number }, (_, i) => data[g * (shape[1] as number) + i] as number).filter(
      (x) => x >= 0,
    ),
  );

describe("visionGeometry", () => {
  it("puts each patch into one window and one frame, with others near it", () => {
    fc.assert(
      fc.property(fc.array(grid, { minLength: 1, maxLength: 4 }), (grids) => {
        const real = grids.reduce((sum, [t, h, w]) => sum + t * h * w, 0);
        const geometry = visionGeometry(grids, config, Math.ceil(real / 4) * 4 + 8);
        const order = geometry.windowIndex.data;
        expect([...order].sort((a, b) => a - b)).toEqual(Array.from(order, (_, i) => i));
        order.forEach((group, place) => expect(geometry.windowInverse.data[group]).toBe(place));
        for (const [table, slots] of [
          [geometry.windows, geometry.windowSlots],
          [geometry.frames, geometry.frameSlots],
        ] as const) {
          const groups = groupsOf(table);
          expect(groups.flat()).toEqual(Array.from({ length: real }, (_, i) => i)); // each once, padding in none
          slots?.data.forEach((slot, patch) => expect(slot < 0 ? -1 : table.data[slot]).toBe(slot < 0 ? -1 : patch));
        }
        const positions = geometry.patchPositions.data;
        const count = geometry.patchPositions.shape[1] as number;
        for (const window of groupsOf(geometry.windows)) {
          for (const from of [0, count]) {
            const side = window.map((patch) => Math.floor((positions[from + patch] as number) / 4));
            expect(new Set(side).size).toBeLessThanOrEqual(1); // windows of 4 × 4 patches
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  it("needs no padding for images of one size with full windows, and fills their number up", () => {
    const geometry = visionGeometry([[1, 8, 4], [1, 8, 4], [1, 8, 4]], config); // prettier-ignore
    expect(Object.keys(geometry)).not.toContain("windowSlots");
    expect(geometry.windows.shape).toEqual([6, 16]);
    expect(geometry.frames.shape).toEqual([3, 32]);
    const five = Array.from({ length: 5 }, (): Grid => [1, 4, 4]);
    expect(visionGeometry(five, config).frames.shape).toEqual([6, 16]);
    expect(visionInputs(five, new Float32Array(5 * 16 * 1176).fill(1), config).patches.shape).toEqual([96, 1176]);
  });

  it("refuses what does not fit", () => {
    expect(() => visionGeometry([], config)).toThrow(/at least one/);
    expect(() => visionGeometry([[1, 3, 4]], config)).toThrow(/multiples of 2, got \[1, 3, 4\]/);
    expect(() => visionGeometry([[1, 4, 4]], config, 12)).toThrow(/at least 16, got 12/);
    expect(() => visionInputs([[1, 4, 4]], new Float32Array(7), config)).toThrow(/expected 18816 numbers/);
  });
});
