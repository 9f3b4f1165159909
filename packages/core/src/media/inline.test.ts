import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { png } from "../../test/images.ts";
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { inlineMedia } from "./inline.ts";

const dataUri = (bytes: Buffer, type = "image/png"): string => `data:${type};base64,${bytes.toString("base64")}`;

describe("base64", () => {
  it("agrees with Node in both directions", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const text = Buffer.from(bytes).toString("base64");
        expect(Buffer.from(encodeBase64(bytes)).toString("latin1")).toBe(text);
        if (bytes.length > 0) expect(Buffer.from(decodeBase64(text))).toEqual(Buffer.from(bytes));
      }),
    );
  });

  it.each(["", "abc", "ab=c", "a===", "====", "ab c", "ab\nc", "ab-_", "abé=", "iVBORx==", "iVBORw=\n"])(
    "refuses %j",
    (text) => expect(() => decodeBase64(text)).toThrow(/base64/),
  );
});

describe("inlineMedia", () => {
  const bytes = png(30, 20);

  it("loads bytes and data URIs to the same image", async () => {
    const media = inlineMedia();
    const expected = {
      mediaType: "image/png",
      width: 30,
      height: 20,
      sha256: createHash("sha256").update(bytes).digest("hex"),
      base64: new Uint8Array(Buffer.from(bytes.toString("base64"), "latin1")),
    };
    expect(await media.image({ bytes })).toEqual(expected);
    // The declared type is not believed.
    expect(await media.image({ dataUri: dataUri(bytes, "image/jpeg;x=y") })).toEqual(expected);
  });

  it("encodes an image object once", async () => {
    const media = inlineMedia();
    const source = { bytes };
    expect(await media.image(source)).toBe(await media.image(source));
  });

  it.each([
    ["path-not-allowed", { path: "/etc/passwd" }, /nodeMedia\(\{ root \}\)/],
    ["url-not-allowed", { url: "https://example.com/a.png" }, /nodeMedia\(\{ hosts \}\)/],
    ["bad-data-uri", { dataUri: "data:image/png,plain" }, /data URI/],
    ["bad-data-uri", { dataUri: "/etc/passwd" }, /data URI/],
    ["bad-base64", { dataUri: "data:image/png;base64,!!!!" }, /base64/],
    ["svg", { dataUri: `data:image/svg+xml;base64,${Buffer.from("<svg/>").toString("base64")}` }, /SVG/],
  ] as const)("refuses: %s", async (reason, source, message) => {
    await expect(inlineMedia().image(source)).rejects.toMatchObject({
      reason,
      message: expect.stringMatching(message),
    });
  });

  it("refuses long base64 without decoding it", async () => {
    const image = { dataUri: `data:image/png;base64,${"!".repeat(4000)}` };
    await expect(inlineMedia({ limits: { maxBytes: 1000 } }).image(image)).rejects.toMatchObject({
      reason: "too-many-bytes",
    });
  });

  it("loads the frames of a video in order, and no folder", async () => {
    const media = inlineMedia({ fps: 4, limits: { maxVideoFrames: 2 } });
    const frames = [{ bytes: png(28, 28) }, { bytes: png(56, 28) }];
    const video = await media.video({ frames });
    expect(video.fps).toBe(4);
    expect(video.frames.map((frame) => frame.width)).toEqual([28, 56]);
    await expect(media.video({ folder: "frames" })).rejects.toMatchObject({ reason: "folder-not-allowed" });
    await expect(media.video({ frames: [] })).rejects.toMatchObject({ reason: "no-frames" });
    await expect(media.video({ frames: [...frames, ...frames] })).rejects.toMatchObject({ reason: "too-many-frames" });
    expect(media.fingerprint).not.toBe(inlineMedia().fingerprint);
  });

  it("stops when asked", async () => {
    await expect(inlineMedia().image({ bytes }, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "R1_ABORTED",
    });
  });
});
