import { ConfigError, MediaError } from "@r1reward/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { golden, pixels, sha } from "./golden.test-kit.ts";
import { mediaTokenCount, processorSize, qwenProcessor } from "./processor.ts";
import { processorOptionsFrom } from "./processor-options.ts";
import { firstPillow, resizeBicubic } from "./resample.ts";
import { toRgb } from "./pixels.ts";
import type { PixelImage } from "./types.ts";

interface Golden {
  readonly resize: readonly {
    seed: number;
    from: number[];
    to: [number, number];
    kind: string;
    sha256: string;
    rowsFirst: string;
  }[];
  readonly images: readonly {
    seed: number;
    size: number[];
    kind: string;
    min: number;
    max: number;
    resize: "once" | "reference";
    grid: number[];
    sha256: string;
    some: number[];
  }[];
  readonly videos: readonly {
    seed: number;
    frames: number;
    size: number[];
    max: number;
    grid: number[];
    sha256: string;
  }[];
  readonly sizes: readonly (readonly [number, number, number, number])[];
}
const fixture = golden<Golden>("pixels.json");

describe("against Pillow and transformers, bit for bit", () => {
  it.each(fixture.resize.map((row) => [`${row.from.join("×")} → ${row.to.join("×")} ${row.kind}`, row] as const))(
    "resizes %s",
    (_, { seed, from, to: [height, width], kind, sha256, rowsFirst }) => {
      const image = toRgb(pixels(seed, [...from, 3], kind));
      const resized = resizeBicubic(image, { height, width });
      expect([resized.height, resized.width]).toEqual([height, width]);
      expect(sha(resized.data)).toBe(sha256);
      expect(sha(resizeBicubic(image, { height, width }, firstPillow).data)).toBe(rowsFirst);
    },
  );

  it.each(fixture.images.map((row) => [`${row.size.join("×")} ${row.kind} ${row.resize}`, row] as const))(
    "makes patches of %s",
    (_, { seed, size, kind, min, max, resize, grid, sha256, some }) => {
      const processor = qwenProcessor({ minPixels: min, maxPixels: max, resize });
      const result = processor.image(pixels(seed, size, kind));
      expect(result.grid).toEqual(grid);
      expect(processor.imageGrid(size[0]!, size[1]!)).toEqual(grid);
      expect(result.patches.length).toBe(grid.reduce((a, b) => a * b) * 1176);
      const step = Math.max(1, Math.floor(result.patches.length / 7));
      expect(some.map((__, i) => result.patches[i * step])).toEqual(some.map(Math.fround));
      expect(sha(result.patches)).toBe(sha256);
    },
  );

  it.each(fixture.videos.map((row) => [`${row.frames} frames of ${row.size.join("×")}`, row] as const))(
    "makes patches of %s",
    (_, { seed, frames, size, max, grid, sha256 }) => {
      const processor = qwenProcessor({ videoMaxPixels: max });
      const all = Array.from({ length: frames }, (__, i) => pixels(seed + i, [...size, 3], "noise"));
      const result = processor.video(all);
      expect(result.grid).toEqual(grid);
      expect(processor.videoGrid(frames, size[0]!, size[1]!)).toEqual(grid);
      expect(sha(result.patches)).toBe(sha256);
    },
  );

  it(`sizes of ${fixture.sizes.length} pictures`, () => {
    const budget = { factor: 28, minPixels: 3136, maxPixels: 501_760 };
    for (const [h, w, height, width] of fixture.sizes) {
      expect([h, w, processorSize(h, w, budget)]).toEqual([h, w, { height, width }]);
    }
  });
});

/** The order of patches in the words of the paper's code: reshape and permute, in plain loops over a small picture. */
const oraclePatches = (frames: readonly PixelImage[], patch: number, merge: number, temporal: number): number[] => {
  const { height, width } = frames[0]!;
  const out: number[] = [];
  for (let t = 0; t < Math.ceil(frames.length / temporal); t++)
    for (let by = 0; by < height / patch / merge; by++)
      for (let bx = 0; bx < width / patch / merge; bx++)
        for (let my = 0; my < merge; my++)
          for (let mx = 0; mx < merge; mx++)
            for (let c = 0; c < 3; c++)
              for (let tt = 0; tt < temporal; tt++)
                for (let y = 0; y < patch; y++)
                  for (let x = 0; x < patch; x++) {
                    const frame = frames[Math.min(t * temporal + tt, frames.length - 1)]!;
                    const row = (by * merge + my) * patch + y;
                    const column = (bx * merge + mx) * patch + x;
                    out.push(Math.fround(frame.data[(row * width + column) * 3 + c]! * (1 / 255)));
                  }
  return out;
};

describe("properties", () => {
  it("any layout is reshape and permute", () => {
    const size = fc.integer({ min: 1, max: 3 });
    const layouts = fc.record({ p: size, m: size, t: size, bh: size, bw: size, count: fc.integer({ min: 1, max: 5 }) });
    fc.assert(
      fc.property(layouts, ({ p, m, t, bh, bw, count }) => {
        const [height, width] = [p * m * bh, p * m * bw];
        const frames = Array.from({ length: count }, (_, i) => pixels(i + 1, [height, width, 3], "noise"));
        const area = { videoMinPixels: 1, videoMaxPixels: height * width };
        const layout = { patchSize: p, mergeSize: m, temporalPatchSize: t, mean: [0, 0, 0], std: [1, 1, 1] } as const;
        const { patches, grid } = qwenProcessor({ ...layout, ...area }).video(frames);
        expect(grid).toEqual([Math.ceil(count / t), height / p, width / p]);
        expect([...patches]).toEqual(oraclePatches(frames, p, m, t));
      }),
      { numRuns: 60 },
    );
  });

  it("a picture of one colour keeps it at every size", () => {
    const side = fc.integer({ min: 1, max: 60 });
    fc.assert(
      fc.property(fc.tuple(side, side, side, side), fc.nat(255), ([h, w, toH, toW], value) => {
        const image = { height: h, width: w, data: new Uint8Array(h * w * 3).fill(value) };
        expect(resizeBicubic(image, { height: toH, width: toW }).data.every((byte) => byte === value)).toBe(true);
      }),
    );
  });

  it("grids stay within the budget and divide into blocks", () => {
    const processor = qwenProcessor({ minPixels: 3136, maxPixels: 100_352 });
    const side = fc.integer({ min: 29, max: 4000 });
    fc.assert(
      fc.property(side, side, (h, w) => {
        const [t, rows, columns] = processor.imageGrid(h, w);
        expect(t).toBe(1);
        expect(rows % 2).toBe(0);
        expect(columns % 2).toBe(0);
        if (Math.max(h, w) / Math.min(h, w) < 20) expect(rows * columns * 196).toBeLessThanOrEqual(100_352);
        expect(mediaTokenCount([t, rows, columns])).toBe((rows * columns) / 4);
      }),
    );
  });

  it("opaque alpha is no alpha, none is white", () => {
    const rgb = pixels(9, [30, 40, 3], "noise");
    const rgba = (alpha: number): PixelImage => {
      const data = Uint8Array.from({ length: 30 * 40 * 4 }, (_, i) =>
        i % 4 === 3 ? alpha : rgb.data[Math.floor(i / 4) * 3 + (i % 4)]!,
      );
      return { ...rgb, channels: 4, data };
    };
    expect(toRgb(rgba(255)).data).toEqual(rgb.data);
    expect(toRgb(rgba(0)).data.every((byte) => byte === 255)).toBe(true);
  });
});

describe("what is refused", () => {
  const processor = qwenProcessor();
  const picture = pixels(1, [28, 28, 3], "noise");

  it.each([
    ["a size that does not fit the data", { ...picture, width: 29 }],
    ["too little data", { ...picture, data: picture.data.subarray(1) }],
    ["no size", { ...picture, width: 0, height: 0, data: new Uint8Array(0) }],
    ["a fraction", { ...picture, width: 0.5, height: 28 * 56 }],
    ["five channels", { ...picture, channels: 5 as 4 }],
    ["floats", { ...picture, data: new Float32Array(28 * 28 * 3) as unknown as Uint8Array }],
    ["NaN", { ...picture, width: Number.NaN }],
    ["one pixel by 300", { ...picture, width: 300, height: 1, channels: 1 as const, data: new Uint8Array(300) }],
  ])("%s", (_, bad) => {
    expect(() => processor.image(bad)).toThrow(
      expect.toSatisfy((e) => e instanceof MediaError || e instanceof ConfigError),
    );
  });

  it("videos without frames, or with frames of two sizes", () => {
    expect(() => processor.video([])).toThrow(MediaError);
    expect(() => processor.video([picture, pixels(1, [200, 28, 3], "noise")])).toThrow(/frame 1.*size of frame 0/);
    expect(() => processor.videoGrid(0, 28, 28)).toThrow(MediaError);
    expect(() => processor.patches([pixels(1, [27, 28, 3], "noise")])).toThrow(/divisible by 28/);
  });

  it.each([
    [{ patchSize: 0 }, /patchSize/],
    [{ minPixels: 10, maxPixels: 9 }, /minPixels/],
    [{ maxPixels: 1.5 }, /maxPixels/],
    [{ std: [1, 0, 1] as const }, /std/],
    [{ mean: [1, 2] as unknown as [1, 2, 3] }, /mean/],
    [{ resize: "twice" as "once" }, /resize/],
  ])("options %j", (options, message) => {
    expect(() => qwenProcessor(options)).toThrow(message);
    expect(() => qwenProcessor(options)).toThrow(ConfigError);
  });

  it("grids that are not whole blocks", () => {
    for (const grid of [
      [1, 3, 2],
      [0, 2, 2],
      [1, 2, 2.5],
      [Number.NaN, 2, 2],
    ] as const) {
      expect(() => mediaTokenCount(grid)).toThrow(ConfigError);
    }
  });
});

describe("preprocessor_config.json", () => {
  const shipped = {
    min_pixels: 3136,
    max_pixels: 12_845_056,
    patch_size: 14,
    temporal_patch_size: 2,
    merge_size: 2,
    image_mean: [0.48145466, 0.4578275, 0.40821073],
    image_std: [0.26862954, 0.26130258, 0.27577711],
    image_processor_type: "Qwen2VLImageProcessor",
    processor_class: "Qwen2_5_VLProcessor",
  };

  it("of 2025 and of transformers 5", () => {
    const { min_pixels, max_pixels, ...rest } = shipped;
    const newer = {
      ...rest,
      size: { shortest_edge: min_pixels, longest_edge: max_pixels },
      do_resize: true,
      resample: 3,
    };
    expect(processorOptionsFrom(newer)).toEqual(processorOptionsFrom(shipped));
    expect(qwenProcessor(processorOptionsFrom(shipped)).options.maxPixels).toBe(12_845_056);
    expect(qwenProcessor(processorOptionsFrom({ ...newer, max_pixels: 5000 })).options.videoMaxPixels).toBe(5000);
  });

  it.each([
    [null],
    [[]],
    [{ do_resize: false }],
    [{ resample: 2 }],
    [{ rescale_factor: 1 }],
    [{ patch_size: "14" }],
    [{ image_std: [1, 1] }],
    [{ min_pixels: -1 }],
  ])("refuses %j", (config) => {
    expect(() => processorOptionsFrom(config)).toThrow(ConfigError);
  });
});
