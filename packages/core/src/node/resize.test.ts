import sharp from "sharp";
import { describe, expect, it, vi } from "vitest";
import { png } from "../../test/images.ts";
import { mediaLimits } from "../media/limits.ts";
import { checkImage } from "../media/load.ts";
import { nodeMedia } from "./media.ts";
import { imageResizer, type ResizeOptions } from "./resize.ts";

const resize = async (bytes: Uint8Array, options?: ResizeOptions) =>
  imageResizer(options).resize(checkImage(bytes, mediaLimits()));
const pixel = async (bytes: Uint8Array, x: number, y: number): Promise<number[]> => {
  const { data, info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
  const from = (y * info.width + x) * info.channels;
  return [...data.subarray(from, from + info.channels)];
};

describe("imageResizer", () => {
  it("resizes to the size of the model's grid, losslessly", async () => {
    const image = await resize(png(490, 350));
    expect(image.header).toEqual({ mediaType: "image/png", width: 504, height: 336, frames: 1 });
    expect(await pixel(image.bytes, 250, 100)).toEqual([200, 30, 30]);
    expect(image.header).toMatchObject(checkImage(image.bytes, mediaLimits()).header);
  });

  it("keeps an image that is right already, byte for byte", async () => {
    const bytes = png(56, 84);
    expect((await resize(bytes)).bytes).toBe(bytes);
  });

  it("puts transparency on white", async () => {
    const image = await resize(png(56, 56, { color: [0, 0, 0, 0] }));
    expect(await pixel(image.bytes, 20, 20)).toEqual([255, 255, 255]);
    const half = await resize(png(60, 60, { color: [255, 0, 0, 128] }));
    // 255·a + 255·(1 − a) = 255 and 0·a + 255·(1 − a) = 127 for a = 128/255.
    expect(await pixel(half.bytes, 20, 20)).toEqual([255, 127, 127]);
  });

  it("does not turn by EXIF, and removes the mark so that no server turns it either", async () => {
    const upright = await sharp(png(84, 56)).withMetadata({ orientation: 6 }).jpeg().toBuffer();
    expect((await sharp(upright).metadata()).orientation).toBe(6);
    const image = await resize(upright);
    expect(image.header).toMatchObject({ width: 84, height: 56 });
    expect((await sharp(image.bytes).metadata()).orientation).toBeUndefined();
  });

  it("writes JPEG when told", async () => {
    const image = await resize(png(100, 100), { jpegQuality: 90 });
    expect(image.header).toMatchObject({ mediaType: "image/jpeg", width: 112, height: 112 });
    expect(imageResizer({ jpegQuality: 90 }).fingerprint).not.toBe(imageResizer({ jpegQuality: 91 }).fingerprint);
  });

  it("keeps grey and palette images, and the average of a checkerboard", async () => {
    const side = 64;
    const board = Buffer.from(
      Array.from({ length: side * side }, (_, k) => ((k + Math.floor(k / side)) % 2 ? 255 : 0)),
    );
    const grey = await sharp(board, { raw: { width: side, height: side, channels: 1 } })
      .png()
      .toBuffer();
    const image = await resize(grey, { maxPixels: 3136 });
    expect(image.header).toMatchObject({ width: 56, height: 56 });
    const { channels } = await sharp(image.bytes).stats();
    expect(Math.abs(channels[0]!.mean - 127.5)).toBeLessThan(2);
    const palette = await sharp(png(30, 30)).png({ palette: true }).toBuffer();
    expect(await pixel((await resize(palette)).bytes, 10, 10)).toEqual([200, 30, 30]);
  });

  it("refuses pixels that cannot be decoded", async () => {
    const bytes = png(40, 30);
    const damaged = Buffer.from(bytes);
    damaged.fill(0xff, bytes.indexOf("IDAT") + 4, bytes.indexOf("IDAT") + 20);
    await expect(resize(damaged)).rejects.toMatchObject({ reason: "undecodable" });
    const noise = Buffer.from(Array.from({ length: 100 * 100 * 3 }, (_, k) => (k * 7919) % 251));
    const jpeg = await sharp(noise, { raw: { width: 100, height: 100, channels: 3 } })
      .jpeg()
      .toBuffer();
    // An end mark after half of the pixels: the header is fine, decoders would paint the rest grey.
    const cut = Buffer.concat([jpeg.subarray(0, jpeg.length / 2), Buffer.from([0xff, 0xd9])]);
    await expect(resize(cut)).rejects.toMatchObject({ reason: "undecodable" });
  });

  it("works inside of nodeMedia, frames of videos included", async () => {
    const media = nodeMedia({ maxPixels: 3136 });
    expect(await media.image({ bytes: png(100, 100) })).toMatchObject({ width: 56, height: 56 });
    const video = await media.video({ frames: [{ bytes: png(100, 100) }, { bytes: png(28, 112) }] });
    expect(video.frames.map(({ width, height }) => [width, height])).toEqual([
      [56, 56],
      [28, 112],
    ]);
  });

  it("names the package that is missing", async () => {
    vi.resetModules();
    vi.doMock("sharp", () => {
      throw new Error("Cannot find package 'sharp'");
    });
    const { imageResizer: without } = await import("./resize.ts");
    const image = checkImage(png(28, 28), mediaLimits());
    await expect(without().resize(image)).rejects.toThrow(/optional package sharp: npm install sharp/);
    vi.doUnmock("sharp");
  });
});
