import { MediaError } from "@r1reward/core";
import fc from "fast-check";
import sharp, { type PngOptions } from "sharp";
import { afterEach, describe, expect, it, vi } from "vitest";
import { golden, pixels, sha } from "../qwen/inputs/golden.test-kit.ts";
import { toRgb } from "../qwen/inputs/pixels.ts";
import { portableDecoder } from "../qwen/inputs/portable-decoder.ts";
import type { PixelImage } from "../qwen/inputs/types.ts";
import { imageDecoder } from "./image-decoder.ts";
import { isSharpAbsent } from "./load-sharp.ts";

interface Picture {
  readonly name: string;
  readonly base64: string;
  readonly size: [height: number, width: number];
  /** Bytes that Pillow decodes, on white; only where decoders may differ. */
  readonly rgb: string | null;
  readonly sha256: string;
}
const { pictures } = golden<{ pictures: Picture[] }>("pictures.json");
const bytesOf = ({ base64 }: Picture): Uint8Array => new Uint8Array(Buffer.from(base64, "base64"));
const decoders = [
  ["sharp", imageDecoder()],
  ["portable", portableDecoder()],
] as const;
const isPortable = ({ name }: Picture): boolean => /^(png|jpeg)/.test(name);

/** Largest and mean difference of two pictures. */
const difference = (a: Uint8Array, b: Uint8Array): { readonly largest: number; readonly mean: number } => {
  const all = Array.from(a, (value, i) => Math.abs(value - b[i]!));
  return { largest: Math.max(...all), mean: all.reduce((x, y) => x + y, 0) / all.length };
};

describe("against Pillow", () => {
  const cases = decoders.flatMap(([decoder, decode]) =>
    pictures
      .filter((picture) => decoder === "sharp" || isPortable(picture))
      .map((picture) => [decoder, picture.name, decode, picture] as const),
  );

  it.each(cases.filter(([, , , { rgb }]) => rgb === null))(
    "%s reads %s bit for bit",
    async (_, __, decode, picture) => {
      const image = toRgb(await decode(bytesOf(picture)));
      expect([image.height, image.width]).toEqual(picture.size);
      expect(sha(image.data)).toBe(picture.sha256);
    },
  );

  it.each(cases.filter(([, , , { rgb }]) => rgb !== null))(
    "%s reads %s, not turned",
    async (decoder, _, decode, picture) => {
      const image = toRgb(await decode(bytesOf(picture)));
      expect([image.height, image.width]).toEqual(picture.size);
      const { largest, mean } = difference(image.data, new Uint8Array(Buffer.from(picture.rgb!, "base64")));
      // libjpeg-turbo decodes for Pillow and sharp alike. jpeg-js has another inverse transform and does not smooth colours;
      // these pictures are ramps, without the edges where that shows.
      expect(largest).toBeLessThanOrEqual(decoder === "sharp" ? 0 : 4);
      expect(mean).toBeLessThanOrEqual(decoder === "sharp" ? 0 : 1);
    },
  );
});

describe("PNG in plain JavaScript is PNG", () => {
  const make = (image: PixelImage, options: PngOptions): Promise<Buffer> =>
    sharp(image.data, { raw: { width: image.width, height: image.height, channels: image.channels } })
      .png(options)
      .toBuffer();

  it.each([
    ["interlaced", { progressive: true }],
    ["interlaced, of 16 colours", { progressive: true, palette: true, colours: 16 }],
    ["interlaced, of 2 colours", { progressive: true, palette: true, colours: 2 }],
    ["with filters", { adaptiveFiltering: true }],
    ["uncompressed", { compressionLevel: 0 }],
  ] as const)("%s", async (_, options) => {
    const side = fc.integer({ min: 1, max: 20 });
    await fc.assert(
      fc.asyncProperty(
        side,
        side,
        fc.constantFrom(1, 2, 3, 4),
        fc.constantFrom("noise", "ramp"),
        async (h, w, channels, kind) => {
          const bytes = new Uint8Array(await make(pixels(h * w, [h, w, channels], kind), options));
          const [expected, got] = await Promise.all(decoders.map(([, decode]) => decode(bytes)));
          expect(toRgb(got!)).toEqual(toRgb(expected!));
        },
      ),
      { numRuns: 25 },
    );
  });

  it("of 16 bits is its high bytes", async () => {
    const wide = Uint16Array.from({ length: 6 * 5 * 3 }, (_, i) => (i * 7919) & 0xffff);
    const raw = { width: 6, height: 5, channels: 3, depth: "ushort" } as const;
    const png = await sharp(wide, { raw }).toColourspace("rgb16").png().toBuffer();
    const got = await portableDecoder()(new Uint8Array(png));
    expect([...got.data]).toEqual(Array.from(wide, (value) => value >> 8));
    expect([...(await imageDecoder()(new Uint8Array(png))).data]).toEqual([...got.data]);
  });
});

describe("broken pictures are errors that name the picture, never pixels", () => {
  const whole = pictures.filter(({ name }) => ["png-3", "jpeg-420", "png-palette-4"].includes(name));

  it.each(
    decoders.flatMap(([decoder, decode]) => whole.map((picture) => [decoder, picture.name, decode, picture] as const)),
  )("%s refuses %s cut anywhere", async (_, __, decode, picture) => {
    const bytes = bytesOf(picture);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: bytes.length - 13 }), async (end) => {
        const failed = decode(bytes.subarray(0, end), { where: "pairs/7.png" });
        await expect(failed).rejects.toThrow(MediaError);
        await expect(failed).rejects.toThrow(/^pairs\/7\.png: /);
      }),
      { numRuns: 40 },
    );
  });

  it.each(decoders)(
    "%s never crashes on bytes that were flipped, and keeps the size of the header",
    async (_, decode) => {
      const png = bytesOf(whole.find(({ name }) => name === "png-3")!);
      await fc.assert(
        fc.asyncProperty(fc.nat(png.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
          const bytes = png.slice();
          bytes[at] = bytes[at]! ^ flip;
          const result = await decode(bytes).catch((error: unknown) => error);
          if (result instanceof Error) expect(result).toBeInstanceOf(MediaError);
          else expect((result as PixelImage).data.length).toBe(19 * 23 * 3);
        }),
        { numRuns: 60 },
      );
    },
  );

  it("portable: flipped pixels have a wrong checksum", async () => {
    const png = bytesOf(whole.find(({ name }) => name === "png-3")!);
    const at = Buffer.from(png).indexOf("IDAT") + 40;
    png[at] = png[at]! ^ 1;
    await expect(portableDecoder()(png)).rejects.toThrow(MediaError);
  });

  it("portable: a bomb stops at the size that the header promises", async () => {
    const image = { width: 3000, height: 3000, channels: 3 as const };
    const big = await sharp({ create: { ...image, background: "#000" } })
      .png()
      .toBuffer();
    const bytes = new Uint8Array(big);
    // The header says 10 × 10; its checksum is made to fit.
    const view = new DataView(bytes.buffer);
    view.setUint32(16, 10);
    view.setUint32(20, 10);
    const crc = await import("node:zlib").then((zlib) => ("crc32" in zlib ? zlib.crc32 : undefined));
    if (crc !== undefined) view.setUint32(29, crc(bytes.subarray(12, 29)));
    const message = crc === undefined ? /checksum/ : /more than the 310 bytes/;
    await expect(portableDecoder()(bytes)).rejects.toThrow(message);
  });

  it.each([
    ["nothing", new Uint8Array(0), /empty|0 bytes/],
    ["text", new TextEncoder().encode("../../etc/passwd"), /expected PNG, JPEG, WebP or GIF/],
    ["SVG", new TextEncoder().encode("<svg/>"), /SVG/],
  ])("%s", async (_, bytes, message) => {
    for (const [, decode] of decoders) await expect(decode(bytes)).rejects.toThrow(message);
  });

  it("too many pixels, an aborted call, and formats that need sharp", async () => {
    const png = bytesOf(whole[0]!);
    for (const make of [imageDecoder, portableDecoder]) {
      await expect(make({ maxPixels: 100 })(png)).rejects.toThrow(/at most 100 pixels/);
      await expect(make()(png, { signal: AbortSignal.abort() })).rejects.toThrow(/aborted/);
    }
    const webp = bytesOf(pictures.find(({ name }) => name === "webp-lossless")!);
    await expect(portableDecoder()(webp, { where: "a.webp" })).rejects.toThrow(/^a\.webp: .*sharp/);
  });
});

describe("without sharp", () => {
  afterEach(() => {
    vi.doUnmock("./load-sharp.ts");
    vi.resetModules();
  });

  it("the portable decoder stands in", async () => {
    vi.resetModules();
    vi.doMock("./load-sharp.ts", () => ({ loadSharp: async () => undefined }));
    const { imageDecoder: fresh } = await import("./image-decoder.ts");
    const png = pictures.find(({ name }) => name === "png-4")!;
    expect(sha(toRgb(await fresh()(bytesOf(png))).data)).toBe(png.sha256);
    await expect(fresh()(bytesOf(pictures.find(({ name }) => name === "gif")!))).rejects.toThrow(
      /optional package sharp/,
    );
  });

  it("is not the same as with a broken one", () => {
    expect(isSharpAbsent(Object.assign(new Error("no such package"), { code: "ERR_MODULE_NOT_FOUND" }))).toBe(true);
    expect(isSharpAbsent(new Error('Could not load the "sharp" module using the linux-x64 runtime'))).toBe(true);
    expect(isSharpAbsent(new Error('Dynamic require of "fs" is not supported'))).toBe(false);
    expect(isSharpAbsent(null)).toBe(false);
  });
});
