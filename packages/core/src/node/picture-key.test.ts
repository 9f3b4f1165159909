import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { copyIndex, fingerprintOf } from "../prepare/index.ts";
import type { MediaSource, Preference } from "../types.ts";
import { nodeMedia } from "./media.ts";
import { pictureKey } from "./picture-key.ts";

/** A picture with large and small structure, as photographs have: sums of waves of a seed. */
const photo = (seed: number): Promise<Buffer> => {
  const [width, height] = [240, 180];
  const pixels = Buffer.alloc(width * height * 3);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const wave = (n: number): number =>
        Math.sin(x / (17 + ((seed * n) % 23)) + n * seed) * Math.cos(y / (13 + ((seed + n) % 19)) + n);
      for (let c = 0; c < 3; c += 1) pixels[3 * (y * width + x) + c] = 128 + 50 * wave(c + 1) + 40 * wave(c + 5);
    }
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
};

const asked = (source: MediaSource, n: number): Preference => ({
  id: String(n),
  question: [
    { type: "image", image: source },
    { type: "text", text: `a question of its own: number ${n}` },
  ],
  responses: [`one answer ${n}`, `other answer ${n}`],
});

describe("pictureKey", () => {
  it("knows the same bytes, wherever they come from", async () => {
    const bytes = new Uint8Array(await photo(1));
    const key = pictureKey({ media: nodeMedia() });
    const dataUri = `data:image/png;base64,${Buffer.from(bytes).toString("base64")}`;
    expect(await key({ bytes })).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(await key({ dataUri })).toBe(await key({ bytes }));
    expect(await key({ bytes: new Uint8Array(await photo(2)) })).not.toBe(await key({ bytes }));
  });

  it("knows a picture by its looks when it was scaled and re-encoded, and tells others apart", async () => {
    const picture = pictureKey({ media: nodeMedia(), by: "looks" });
    const index = copyIndex({ samePicture: true });
    const photos = await Promise.all(Array.from({ length: 12 }, (_, i) => photo(i + 1)));
    for (const [n, bytes] of photos.entries())
      index.add(String(n), await fingerprintOf(asked({ bytes: new Uint8Array(bytes) }, n), { picture }));
    for (const [n, bytes] of photos.entries()) {
      const smaller = new Uint8Array(await sharp(bytes).resize(150, 112).jpeg({ quality: 80 }).toBuffer());
      const match = index.find(await fingerprintOf(asked({ bytes: smaller }, 100 + n), { picture }));
      expect([match?.of, match?.reason], `picture ${n}`).toEqual([String(n), "picture"]);
    }
    const strange = await fingerprintOf(asked({ bytes: new Uint8Array(await photo(77)) }, 999), { picture });
    expect(index.find(strange)).toBeUndefined();
  });

  it("falls back to the bytes for a picture without structure", async () => {
    const flat = await sharp({ create: { width: 50, height: 50, channels: 3, background: "#778899" } })
      .png()
      .toBuffer();
    const key = pictureKey({ media: nodeMedia(), by: "looks" });
    expect(await key({ bytes: new Uint8Array(flat) })).toMatch(/^sha256:/);
  });
});
