import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { frameIndices } from "./frames.ts";
import { referenceSize, roundHalfEven, smartResize } from "./smart-resize.ts";

const fixture = <Row>(name: string): Row[] =>
  JSON.parse(readFileSync(new URL(`./fixtures/${name}`, import.meta.url), "utf8")) as Row[];

type Size = [height: number, width: number];
const sizes = fixture<[height: number, width: number, once: Size | null, both: Size | null]>("smart-resize.json");

describe("smartResize", () => {
  it("agrees with Python on every golden size, ties included", () => {
    expect(sizes.length).toBeGreaterThan(2000);
    for (const [height, width, once, both] of sizes) {
      const message = `${height}×${width}`;
      const is = (size: { height: number; width: number }) => [size.height, size.width];
      expect(once && is(smartResize(height, width)), message).toEqual(once);
      if (both) expect(is(referenceSize(height, width)), message).toEqual(both);
      else expect(() => referenceSize(height, width), message).toThrow(/aspect ratio/);
    }
  });

  it("rounds halves to even: 350 × 490 becomes 336 × 504, where rounding up would give 364", () => {
    // 350 / 28 = 12.5 → 12 · 28 = 336; 490 / 28 = 17.5 → 18 · 28 = 504.
    expect(smartResize(350, 490)).toEqual({ height: 336, width: 504 });
    expect([0.5, 1.5, 2.5, 2.4999, 2.5001].map(roundHalfEven)).toEqual([0, 2, 2, 2, 3]);
  });

  it("gives at most 640 tokens of 28² pixels, and multiples of 28", () => {
    for (const [height, width] of sizes) {
      const size = smartResize(height, width);
      expect(size.height % 28 || size.width % 28).toBe(0);
      // One side clamped to a single patch row may pass the budget only when the image is extremely elongated.
      if (Math.max(height, width) / Math.min(height, width) < 100) {
        expect((size.height * size.width) / 784).toBeLessThanOrEqual(640);
      }
    }
  });

  it("refuses what Python refuses", () => {
    expect(() => smartResize(1, 201)).toThrow(/aspect ratio/);
    expect(() => smartResize(0, 20)).toThrow(/height: expected a positive integer/);
    expect(() => smartResize(10, 20.5)).toThrow(/width/);
    expect(() => smartResize(10, 20, { maxPixels: 100 })).toThrow(/minPixels ≤ maxPixels/);
  });
});

describe("frameIndices", () => {
  it("agrees with NumPy's linspace on every golden case", () => {
    const cases = fixture<[total: number, count: number, indices: number[]]>("frame-indices.json");
    expect(cases.length).toBeGreaterThan(400);
    for (const [total, count, indices] of cases) expect(frameIndices(total, count)).toEqual(indices);
  });

  it("repeats frames of a short video and refuses an empty one", () => {
    expect(frameIndices(2, 4)).toEqual([0, 0, 0, 1]); // 0, 1/3, 2/3, 1 truncated
    expect(() => frameIndices(0, 32)).toThrow(/total: expected a positive integer, got 0/);
  });
});
