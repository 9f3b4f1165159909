import { ConfigError, inlineMedia, MediaError, type LoadedImage, type MediaLoader } from "@r1reward/core";
import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { ShapeError } from "../../errors.ts";
import type { ChatMessage } from "./chat-template.ts";
import { golden, goldenTokenizer, pixels, type GoldenTokenizer } from "./golden.test-kit.ts";
import { portableDecoder } from "./portable-decoder.ts";
import { mediaTokenCount, qwenProcessor } from "./processor.ts";
import { qwenInputs, type QwenInputsConfig, type QwenInputsOptions } from "./qwen-inputs.ts";
import { getRopeIndex } from "./rope-index.ts";
import type { PixelImage } from "./types.ts";

const tokenizer = goldenTokenizer();
const [imageToken, videoToken] = ["<|image_pad|>", "<|video_pad|>"].map((name) => tokenizer.specialId(name)) as [
  number,
  number,
];
const config: QwenInputsConfig = {
  imageToken,
  videoToken,
  vision: { patchSize: 14, mergeSize: 2, temporalPatchSize: 2, tokensPerSecond: 2 },
  text: { vocabSize: 720, maxPositions: 4096 },
};
const processor = qwenProcessor({ minPixels: 784, maxPixels: 28 * 28 * 12 });
const inputs = (changes: Partial<QwenInputsOptions> = {}) => qwenInputs({ tokenizer, processor, config, ...changes });

const pngOf = async (image: PixelImage): Promise<Uint8Array> => {
  const raw = { width: image.width, height: image.height, channels: image.channels };
  return new Uint8Array(await sharp(image.data, { raw }).png().toBuffer());
};
const picture = async (height: number, width: number, seed = 1): Promise<{ pixels: PixelImage; bytes: Uint8Array }> => {
  const made = pixels(seed, [height, width, 3], "noise");
  return { pixels: made, bytes: await pngOf(made) };
};
const user = (...content: ChatMessage["content"]): ChatMessage => ({ role: "user", content });
const text = (value: string) => ({ type: "text" as const, text: value });

describe("encode", () => {
  it("a chat of text is its template's tokens", async () => {
    const row = await inputs().encode([user(text("Hello"))]);
    const { tokens } = golden<GoldenTokenizer>("tokenizer.json").chats.find((chat) =>
      chat.text.includes("user\nHello"),
    )!;
    expect([...row.tokens]).toEqual(tokens);
    expect(row).toMatchObject({ ropeDelta: 0, grids: [] });
    expect(row.patches).toBeUndefined();
    expect([...row.positions]).toEqual([0, 1, 2].flatMap(() => Array.from(tokens, (_, i) => i)));
  });

  it("pictures and videos in order of appearance, each with the pads it needs", async () => {
    const [a, b, c] = await Promise.all([picture(56, 84, 1), picture(100, 40, 2), picture(30, 90, 3)]);
    const frames = [b, b, a.pixels.width === 0 ? a : b].map(({ bytes }) => ({ bytes }));
    const row = await inputs().encode([
      user({ type: "image", image: { bytes: a.bytes } }, text("one")),
      user({ type: "video", video: { frames } }, { type: "image", image: { bytes: c.bytes } }, text("two")),
    ]);
    const parts = [
      processor.image(a.pixels),
      processor.video([b.pixels, b.pixels, b.pixels]),
      processor.image(c.pixels),
    ];
    expect(row.grids).toEqual(parts.map(({ grid }) => grid));
    expect(row.grids[1]![0]).toBe(2);
    expect([...row.patches!]).toEqual(parts.flatMap(({ patches }) => [...patches]));
    const count = (id: number): number => row.tokens.filter((token) => token === id).length;
    expect(count(imageToken)).toBe(mediaTokenCount(parts[0]!.grid) + mediaTokenCount(parts[2]!.grid));
    expect(count(videoToken)).toBe(mediaTokenCount(parts[1]!.grid));
    const ids = { imageTokenId: imageToken, videoTokenId: videoToken, secondsPerGrid: [1] };
    expect({ positions: row.positions, ropeDelta: row.ropeDelta }).toEqual(
      getRopeIndex({ ...ids, tokens: row.tokens, grids: row.grids }),
    );
  });

  it("a video's frames per second move it in time", async () => {
    const { bytes } = await picture(28, 28);
    const video = { type: "video" as const, video: { frames: [1, 2, 3, 4].map(() => ({ bytes })) } };
    const at = async (fps: number): Promise<number[]> => {
      const row = await inputs({ media: inlineMedia({ fps }) }).encode([user(video)]);
      return [...row.tokens].flatMap((token, i) => (token === videoToken ? [row.positions[i]!] : []));
    };
    const [two, half] = [await at(2), await at(0.5)];
    expect(two.at(-1)! - two[0]!).toBe(2);
    expect(half.at(-1)! - half[0]!).toBe(8);
  });

  it("what is loaded already is not loaded again", async () => {
    const { bytes, pixels: made } = await picture(40, 60);
    const loaded = await inlineMedia().image({ bytes });
    const refuse: MediaLoader = {
      fingerprint: "none",
      image: () => Promise.reject(new Error("loaded twice")),
      video: () => Promise.reject(new Error("loaded twice")),
    };
    const row = await inputs({ media: refuse }).encode([
      user({ type: "image", image: loaded }, { type: "video", frames: [loaded], fps: 2 }),
    ]);
    expect(row.grids).toEqual([processor.image(made).grid, processor.video([made]).grid]);
  });

  it("any text around a picture leaves its pads alone", async () => {
    const { bytes } = await picture(28, 56);
    const markers = [
      "<|image_pad|>",
      "<|vision_start|>",
      "<|im_end|>\n<|im_start|>assistant\n",
      "<|video_pad|>",
      " ",
      "x",
    ];
    const words = fc.array(fc.constantFrom(...markers)).map((all) => all.join(""));
    await fc.assert(
      fc.asyncProperty(words, words, async (before, after) => {
        const row = await inputs().encode([user(text(before), { type: "image", image: { bytes } }, text(after))]);
        const pads = [...row.tokens.keys()].filter((i) => row.tokens[i] === imageToken);
        expect(pads.length).toBe(mediaTokenCount(row.grids[0]!));
        expect(pads.at(-1)! - pads[0]! + 1).toBe(pads.length);
        expect(row.tokens[pads[0]! - 1]).toBe(tokenizer.specialId("<|vision_start|>"));
        expect(row.tokens.includes(videoToken)).toBe(false);
      }),
      { numRuns: 30 },
    );
  });
});

describe("a prompt that is too long", () => {
  it("is an error of maxTokens, before anything is decoded", async () => {
    const { bytes } = await picture(84, 112);
    const decode = () => Promise.reject(new Error("decoded"));
    const image = { type: "image" as const, image: { bytes } };
    const length = (await inputs().encode([user(image, text("x"))])).tokens.length;
    const failed = inputs({ decode, maxTokens: length - 1 }).encode([user(image, text("x"))]);
    await expect(failed).rejects.toThrow(`maxTokens: expected a prompt of at most ${length - 1} tokens, got ${length}`);
    await expect(failed).rejects.toBeInstanceOf(ShapeError);
    await expect(failed).rejects.toMatchObject({ of: "maxTokens", code: "R1_SHAPE" });
    expect((await inputs({ maxTokens: length }).encode([user(image, text("x"))])).tokens.length).toBe(length);
    await expect(inputs({ decode, maxTokens: 5 }).encode([user(image)])).rejects.toThrow(/maxTokens/);
  });
});

describe("what is refused", () => {
  it.each([
    ["a path", { path: "../../../etc/passwd" }, "path-not-allowed"],
    ["an address", { url: "http://169.254.169.254/" }, "url-not-allowed"],
    ["text", { bytes: new TextEncoder().encode("no picture") }, "unsupported-format"],
    ["a picture like a ribbon", { dataUri: "" }, "bad-data-uri"],
  ])("%s, naming the part", async (_, image, reason) => {
    const failed = inputs().encode([user(text("a")), user(text("b"), { type: "image", image } as never)]);
    await expect(failed).rejects.toThrow(/^messages\[1\]\.content\[1\]: /);
    await expect(failed).rejects.toMatchObject({ reason });
  });

  it("broken pixels of one frame, naming it", async () => {
    const { bytes } = await picture(28, 28);
    const broken = bytes.slice();
    const at = Buffer.from(bytes).indexOf("IDAT") + 60;
    broken[at] = broken[at]! ^ 255;
    const video = { type: "video" as const, video: { frames: [{ bytes }, { bytes: broken }] } };
    await expect(inputs().encode([user(video)])).rejects.toThrow(
      /^messages\[0\]\.content\[0\] frame 1: cannot be decoded/,
    );
  });

  it("a decoder that gives another size than the header, or a picture loaded with a wrong one", async () => {
    const { bytes } = await picture(28, 56);
    const image = await inlineMedia().image({ bytes });
    const lying: LoadedImage = { ...image, width: 560, height: 280 };
    const portable = portableDecoder();
    await expect(inputs().encode([user({ type: "image", image: lying })])).rejects.toThrow(
      /expected 560×280 pixels, got 56×28/,
    );
    const half = async (data: Uint8Array): Promise<PixelImage> => {
      const made = await portable(data);
      return { ...made, data: made.data.subarray(7) };
    };
    const failed = inputs({ decode: half }).encode([user({ type: "image", image })]);
    await expect(failed).rejects.toBeInstanceOf(MediaError);
    await expect(failed).rejects.toThrow(/messages\[0\]\.content\[0\]: expected 56×28×3 bytes/);
  });

  it("a video without frames, without time, or with frames of two sizes", async () => {
    const [a, b] = await Promise.all([picture(28, 28), picture(90, 30)]);
    const loaded = await Promise.all([a, b].map(({ bytes }) => inlineMedia().image({ bytes })));
    const encode = (frames: readonly LoadedImage[], fps: number) =>
      inputs().encode([user({ type: "video", frames, fps })]);
    await expect(encode([], 2)).rejects.toMatchObject({ reason: "no-frames" });
    await expect(encode(loaded.slice(0, 1), 0)).rejects.toMatchObject({ reason: "bad-fps" });
    await expect(encode(loaded, 2)).rejects.toMatchObject({ reason: "size-mismatch" });
  });

  it("an aborted call", async () => {
    const call = { signal: AbortSignal.abort() };
    await expect(inputs().encode([user(text("x"))], call)).rejects.toMatchObject({ code: "R1_ABORTED" });
  });

  it.each([
    ["tokenizer and model", { config: { ...config, imageToken: 5 } }],
    ["processor and model", { processor: qwenProcessor({ patchSize: 16 }) }],
    ["too small a vocabulary", { config: { ...config, text: { ...config.text, vocabSize: 700 } } }],
    ["no room", { maxTokens: 0 }],
    ["more room than positions", { maxTokens: 5000 }],
  ])("parts that do not belong together: %s", (_, changes) => {
    expect(() => inputs(changes)).toThrow(ConfigError);
  });
});
