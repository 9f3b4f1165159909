import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  gif,
  jpegSkeleton,
  png,
  pngBomb,
  pngChunk,
  PNG_SIGNATURE,
  webpAnimated,
  webpExtended,
  webpLossless,
  webpLossy,
} from "../../test/images.ts";
import { isR1Error, MediaError } from "../errors.ts";
import { readImageHeader } from "./header.ts";
import { checkBase64Length, checkHeader, mediaLimits } from "./limits.ts";
import { checkImage } from "./load.ts";

const reasonOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof MediaError) return error.reason;
    throw error;
  }
  return "nothing thrown";
};

const whole: readonly (readonly [string, Buffer, string, number, number, number])[] = [
  ["PNG", png(31, 7), "image/png", 31, 7, 1],
  ["APNG", png(4, 3, { before: [pngChunk("acTL", Buffer.from([0, 0, 0, 9, 0, 0, 0, 0]))] }), "image/png", 4, 3, 9],
  ["JPEG with a thumbnail", jpegSkeleton(640, 481), "image/jpeg", 640, 481, 1],
  ["GIF", gif(12, 34, 1), "image/gif", 12, 34, 1],
  ["animated GIF", gif(12, 34, 10_000), "image/gif", 12, 34, 10_000],
  ["lossy WebP", webpLossy(550, 368), "image/webp", 550, 368, 1],
  ["lossless WebP", webpLossless(386, 16_000), "image/webp", 386, 16_000, 1],
  ["animated WebP", webpAnimated(400, 300, 12), "image/webp", 400, 300, 12],
];

describe("readImageHeader", () => {
  for (const [name, bytes, mediaType, width, height, frames] of whole) {
    it(`reads ${name}`, () => expect(readImageHeader(bytes)).toEqual({ mediaType, width, height, frames }));

    it(`says that ${name} is truncated, wherever it is cut`, () => {
      const cuts = bytes.length < 400 ? bytes.length : 400;
      for (let k = 1; k < cuts; k++) {
        const cut = bytes.subarray(0, Math.floor((bytes.length * k) / cuts));
        if (cut.length < 12) continue;
        expect(reasonOf(() => readImageHeader(cut))).toBe("truncated");
      }
    });
  }

  it.each([
    ["svg", Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg"><image href="http://169.254.169.254/"/></svg>`)],
    ["svg", Buffer.from("\ufeff \n<?xml version='1.0'?><svg/>")],
    ["bmp", Buffer.from("BM\0\0\0\0\0\0\0\0")],
    ["tiff", Buffer.from("II*\0\0\0\0\0")],
    ["heif", Buffer.from("\0\0\0\x1cftypavif")],
    ["pdf", Buffer.from("%PDF-1.7")],
    ["empty", Buffer.alloc(0)],
    ["unsupported-format", Buffer.from("hello there, not an image")],
    ["truncated", PNG_SIGNATURE.subarray(0, 5)],
  ])("refuses %s", (reason, bytes) => expect(reasonOf(() => readImageHeader(bytes))).toBe(reason));

  it("believes neither a WebP canvas nor a picture that contradict each other", () => {
    expect(reasonOf(() => readImageHeader(webpExtended(100, 100, [101, 100])))).toBe("malformed");
    expect(readImageHeader(webpExtended(100, 100))).toMatchObject({ width: 100, height: 100 });
  });

  it("never throws anything but MediaError, nor hangs, whatever the bytes", () => {
    const seeds = whole.map(([, bytes]) => bytes.subarray(0, 2000));
    const mutated = fc
      .tuple(fc.constantFrom(...seeds), fc.array(fc.tuple(fc.nat(2000), fc.nat(255)), { maxLength: 8 }))
      .map(([seed, edits]) => {
        const bytes = Buffer.from(seed);
        for (const [at, value] of edits) bytes[at % bytes.length] = value;
        return bytes;
      });
    fc.assert(
      fc.property(mutated, (bytes) => {
        try {
          const header = readImageHeader(bytes);
          expect(Number.isInteger(header.width) && Number.isInteger(header.frames)).toBe(true);
        } catch (error) {
          expect(isR1Error(error) && error.code).toBe("R1_MEDIA");
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe("limits", () => {
  const limits = mediaLimits();
  const reason = (bytes: Buffer): string => reasonOf(() => checkImage(bytes, limits));

  it("refuses a bomb by its header: 30,000 × 30,000 pixels in a few hundred bytes", () => {
    const bomb = pngBomb(30_000, 30_000);
    expect(bomb.length).toBeLessThan(500);
    expect(reason(bomb)).toBe("too-many-pixels");
  });

  it("refuses what is elongated, animated, empty or long", () => {
    expect(reason(png(201, 1))).toBe("too-elongated");
    expect(reason(png(200, 1))).toBe("nothing thrown");
    expect(reason(gif(10, 10, 10_000))).toBe("too-many-frames");
    expect(reason(pngBomb(0, 5))).toBe("too-small");
    expect(reasonOf(() => checkImage(png(40, 40), mediaLimits({ maxBytes: 50 })))).toBe("too-many-bytes");
  });

  it("keeps exactly at the limits", () => {
    const at = { mediaType: "image/png", width: 10_000, height: 5_000, frames: 1 } as const;
    expect(() => checkHeader(at, limits)).not.toThrow();
    expect(reasonOf(() => checkHeader({ ...at, height: 5_001 }, limits))).toBe("too-many-pixels");
  });

  it("checks base64 before decoding it", () => {
    expect(() => checkBase64Length(Math.ceil(20_000_000 / 3) * 4, limits)).not.toThrow();
    expect(reasonOf(() => checkBase64Length(Math.ceil(20_000_000 / 3) * 4 + 4, limits))).toBe("too-many-bytes");
  });

  it("refuses limits that are no numbers", () => {
    expect(() => mediaLimits({ maxPixels: Number.NaN })).toThrow(/maxPixels: expected a number/);
    expect(() => mediaLimits({ minSide: 0 })).toThrow(/minSide/);
  });
});
