/** What the tests of this folder share: fixtures of tools/golden/qwen_inputs.py, and its generators once more. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { trainBpe } from "./bpe-train.ts";
import { qwenTokenizer, type QwenTokenizer } from "./tokenizer.ts";
import type { TokenizerJson } from "./tokenizer-json.ts";
import type { PixelImage } from "./types.ts";

/** A fixture file. */
export const golden = <T>(name: string): T =>
  JSON.parse(readFileSync(new URL(`../../../test/fixtures/qwen-inputs/${name}`, import.meta.url), "utf8")) as T;

/** SHA-256 of the bytes of an array. */
export const sha = (data: ArrayBufferView): string =>
  createHash("sha256")
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest("hex");

/** x ← 1664525 x + 1013904223 mod 2³². */
export const lcg = (seed: number) => {
  let state = seed >>> 0;
  return (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0);
};

/** Pixels that the generator of the fixtures makes too. */
export const pixels = (seed: number, [height, width, channels]: readonly number[], kind: string): PixelImage => {
  const next = lcg(seed);
  const data = Uint8Array.from({ length: height! * width! * channels! }, (_, i) => {
    const pixel = Math.floor(i / channels!);
    if (kind === "ramp") return (pixel % width!) * 3 + Math.floor(pixel / width!) * 5 + (i % channels!) * 40;
    const byte = next() >>> 24;
    return kind === "noise" ? byte : (byte >> 7) * 255;
  });
  return { width: width!, height: height!, channels: channels as PixelImage["channels"], data };
};

/** Parts of `tokenizer.json` of the fixtures. */
export interface GoldenTokenizer {
  readonly pool: readonly string[];
  readonly merges: readonly string[];
  readonly specials: readonly string[];
  readonly hashes: readonly number[];
  readonly chats: readonly {
    readonly messages: readonly {
      readonly role: "system" | "user" | "assistant";
      readonly content: readonly { readonly type: "text" | "image" | "video"; readonly text?: string }[];
    }[];
    readonly generationPrompt: boolean;
    readonly visionIds: boolean;
    readonly text: string;
    readonly tokens: readonly number[];
  }[];
  readonly decoded: readonly (readonly [ids: readonly number[], text: string])[];
}

/** The generator's strings: pieces of many scripts, put together at random. */
export const mixedStrings = (pool: readonly string[], count = 5000): string[] => {
  const next = lcg(2025);
  return Array.from({ length: count }, () => {
    const size = 1 + ((next() >>> 8) % 16);
    return Array.from({ length: size }, () => pool[(next() >>> 8) % pool.length]!).join("");
  });
};

/** FNV-1a over ids as 32-bit words. */
export const fnv = (ids: Iterable<number>): number => {
  let hash = 0x811c9dc5;
  for (const id of ids) hash = Math.imul(hash ^ id, 0x01000193);
  return hash >>> 0;
};

/** The texts that the fixtures' vocabulary was trained on. */
export const trainingTexts = (pool: readonly string[]): string[] => [
  readFileSync(new URL("../../../../../LICENSE", import.meta.url), "utf8"),
  ...mixedStrings(pool, 1000),
];

/** The fixtures' vocabulary: 700 tokens and 8 special ones, as Hugging Face's own trainer makes it. */
export const goldenVocabulary = ({ pool, merges, specials }: GoldenTokenizer): TokenizerJson => {
  const empty = trainBpe([], { vocabSize: 256 + specials.length, specialTokens: specials });
  const vocab: Record<string, number> = { ...empty.model.vocab };
  for (const merge of merges) vocab[merge.replace(" ", "")] ??= Object.keys(vocab).length;
  const base = Object.keys(vocab).length;
  if (pool.length === 0 || base !== 700) throw new Error(`expected 700 tokens, got ${base}`);
  const added_tokens = specials.map((content, i) => ({ id: base + i, content, special: true }));
  return { ...empty, added_tokens, model: { ...empty.model, vocab, merges } };
};

/** A tokenizer of the fixtures' vocabulary. */
export const goldenTokenizer = (): QwenTokenizer => qwenTokenizer(goldenVocabulary(golden("tokenizer.json")));
