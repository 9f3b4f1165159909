import { ConfigError } from "@r1reward/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ShapeError } from "../../errors.ts";
import { golden, sha } from "./golden.test-kit.ts";
import { mediaTokenCount } from "./processor.ts";
import { currentRope, firstRope, getRopeIndex, type RopeIndexInput } from "./rope-index.ts";
import type { Grid } from "./types.ts";
import { frameCumulative, visionPositions, windowIndex } from "./window.ts";

type Item = number | readonly ["i" | "v", number, number, number, number?];
interface Golden {
  readonly windows: readonly {
    readonly grids: Grid[];
    readonly options: [number, number, number];
    readonly windows: number[];
    readonly frames: number[];
    readonly index: string;
    readonly positions: string;
    readonly full?: number[];
  }[];
  readonly rope: readonly {
    readonly chat: Item[];
    readonly tokens: number[];
    readonly current: [number[][], number];
    readonly first?: [number[][], number];
  }[];
}
const fixture = golden<Golden>("grids.json");

describe("windows, against transformers", () => {
  it.each(fixture.windows.map((row) => [`${JSON.stringify(row.grids)} ${row.options.join("/")}`, row] as const))(
    "%s",
    (_, { grids, options: [windowSize, patchSize, mergeSize], windows, frames, index, positions, full }) => {
      const result = windowIndex(grids, { windowSize, patchSize, mergeSize });
      if (full !== undefined) expect([...result.index]).toEqual(full);
      expect([...result.cumulative]).toEqual(windows);
      expect([...frameCumulative(grids)]).toEqual(frames);
      expect(sha(result.index)).toBe(index);
      expect(sha(visionPositions(grids, mergeSize))).toBe(positions);
    },
  );

  const half = fc.integer({ min: 1, max: 12 });
  const grid = fc.tuple(fc.integer({ min: 1, max: 3 }), half, half).map(([t, h, w]): Grid => [t, 2 * h, 2 * w]);

  it("sort all blocks, each once, none into another picture or step", () => {
    fc.assert(
      fc.property(fc.array(grid, { minLength: 1, maxLength: 4 }), (grids) => {
        const { index, cumulative } = windowIndex(grids);
        expect([...index].sort((a, b) => a - b)).toEqual(Array.from(index, (_, i) => i));
        expect(cumulative.at(-1)).toBe(index.length * 4);
        const frames = frameCumulative(grids);
        const frameOf = (block: number): number => frames.findIndex((end) => block * 4 < end);
        for (let w = 0; w + 1 < cumulative.length; w++) {
          const blocks = index.subarray(cumulative[w]! / 4, cumulative[w + 1]! / 4);
          expect(blocks.length).toBeGreaterThan(0);
          expect(blocks.length).toBeLessThanOrEqual(16);
          expect(new Set(Array.from(blocks, frameOf)).size).toBe(1);
        }
      }),
    );
  });

  it("positions are each place of a picture once", () => {
    fc.assert(
      fc.property(grid, ([t, h, w]) => {
        const positions = visionPositions([[t, h, w]]);
        const first = Array.from({ length: h * w }, (_, i) => positions[2 * i]! * w + positions[2 * i + 1]!);
        expect([...first].sort((a, b) => a - b)).toEqual(Array.from(first, (_, i) => i));
        for (let step = 1; step < t; step++) {
          expect(positions.subarray(step * h * w * 2, (step + 1) * h * w * 2)).toEqual(
            positions.subarray(0, h * w * 2),
          );
        }
      }),
    );
  });

  it("refuse grids and windows that cannot be", () => {
    expect(() => windowIndex([[1, 3, 2]])).toThrow(ConfigError);
    expect(() => windowIndex([[1, 2, 2]], { windowSize: 27 })).toThrow(ConfigError);
    expect(() => visionPositions([[1, 2, 0]])).toThrow(ConfigError);
    expect(windowIndex([]).index.length).toBe(0);
  });
});

const ids = { imageTokenId: 151655, videoTokenId: 151656 };
const inputOf = ({ chat, tokens }: { chat: Item[]; tokens: number[] }): RopeIndexInput => {
  const media = chat.filter((item) => typeof item !== "number");
  const seconds = media.flatMap((item) => (item[4] === undefined ? [] : [item[4]]));
  return {
    ...ids,
    tokens: Int32Array.from(tokens),
    grids: media.map(([, t, h, w]): Grid => [t, h, w]),
    secondsPerGrid: seconds,
  };
};

describe("positions, against transformers", () => {
  it.each(fixture.rope.map((row) => [JSON.stringify(row.chat), row] as const))("%s", (_, row) => {
    const now = getRopeIndex(inputOf(row));
    expect([...now.positions]).toEqual(row.current[0].flat());
    expect(now.ropeDelta).toBe(row.current[1]);
    if (row.first === undefined) return;
    const first = getRopeIndex({ ...inputOf(row), rule: firstRope });
    expect([...first.positions]).toEqual(row.first[0].flat());
    expect(first.ropeDelta).toBe(row.first[1]);
  });

  it("versions differ for long videos and for nothing else", () => {
    const differ = fixture.rope.filter(
      ({ current, first }) => first && JSON.stringify(current) !== JSON.stringify(first),
    );
    expect(differ.length).toBeGreaterThan(3);
    expect(differ.every(({ chat }) => JSON.stringify(chat).includes('"v"'))).toBe(true);
  });
});

const piece = fc.oneof(
  fc.integer({ min: 1, max: 6 }),
  fc.tuple(
    fc.constantFrom("i" as const, "v" as const),
    fc.integer({ min: 1, max: 3 }),
    fc.constantFrom(2, 4, 8),
    fc.constantFrom(2, 6),
  ),
);

/** Tokens of a chat; an image has one time step. */
const chatOf = (items: readonly (number | readonly ["i" | "v", number, number, number])[]) => {
  const grids: Grid[] = [];
  const tokens = items.flatMap((item) => {
    if (typeof item === "number") return Array.from({ length: item }, () => 7);
    const grid: Grid = [item[0] === "i" ? 1 : item[1], item[2], item[3]];
    grids.push(grid);
    const pad = item[0] === "i" ? ids.imageTokenId : ids.videoTokenId;
    return [5, ...Array.from({ length: mediaTokenCount(grid) }, () => pad), 6];
  });
  return { tokens: Int32Array.from(tokens), grids };
};

describe("positions, in general", () => {
  it("begin at 0, never fall back in text, and the delta leads past the largest", () => {
    fc.assert(
      fc.property(
        fc.array(piece, { minLength: 1, maxLength: 6 }),
        fc.constantFrom(currentRope, firstRope),
        (items, rule) => {
          const { tokens, grids } = chatOf(items);
          const { positions, ropeDelta } = getRopeIndex({ ...ids, tokens, grids, rule });
          const length = tokens.length;
          expect(Math.min(...positions)).toBe(0);
          expect(ropeDelta).toBe(Math.max(...positions) + 1 - length);
          for (let i = 0; i < length; i++) {
            if (tokens[i] === ids.imageTokenId || tokens[i] === ids.videoTokenId) continue;
            expect(positions[length + i]).toBe(positions[i]);
            expect(positions[2 * length + i]).toBe(positions[i]);
          }
        },
      ),
    );
  });

  it("of text alone count up", () => {
    const { positions, ropeDelta } = getRopeIndex({ ...ids, tokens: new Int32Array(4), grids: [] });
    expect([...positions]).toEqual([0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3]);
    expect(ropeDelta).toBe(0);
    expect(getRopeIndex({ ...ids, tokens: new Int32Array(0), grids: [] }).positions.length).toBe(0);
  });

  it.each([
    ["a pad too few", [ids.imageTokenId], [[1, 2, 4]]],
    ["a pad too many", [ids.imageTokenId, ids.imageTokenId], [[1, 2, 2]]],
    ["pads without a picture", [1, ids.imageTokenId], []],
    ["a picture without pads", [1, 2], [[1, 2, 2]]],
    ["two pictures, one of them stolen", [ids.imageTokenId, 1, ids.imageTokenId], [[1, 2, 2]]],
  ] as const)("refuse %s", (_, tokens, grids) => {
    const input = { ...ids, tokens: Int32Array.from(tokens), grids: grids as unknown as Grid[] };
    expect(() => getRopeIndex(input)).toThrow(ShapeError);
  });

  it.each([[[]], [[0]], [[Number.NaN]], [[-1]]])("refuse seconds %j", (secondsPerGrid) => {
    const input = { ...ids, tokens: Int32Array.from([ids.videoTokenId]), grids: [[1, 2, 2]] as Grid[], secondsPerGrid };
    expect(() => getRopeIndex(input)).toThrow(ConfigError);
  });
});
