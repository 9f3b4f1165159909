/** The tiny models, prompts and replies of tools/golden/qwen_generate.py. */
import { readFileSync } from "node:fs";
import type { Message } from "@r1reward/core";
import { hashed, hashedWeight } from "../../../test/hashed.ts";
import type { HostTensor } from "../../engine/tensor.ts";
import type { Grid, QwenRow } from "../inputs/types.ts";
import { parseQwenConfig, qwenParameterShapes, type QwenConfig, type QwenParams } from "../model/index.ts";
import type { ReplyTokenizer, RowEncoder } from "./types.ts";

const folder = new URL("../../../test/fixtures/", import.meta.url);
const read = (name: string): unknown => JSON.parse(readFileSync(new URL(name, folder), "utf8"));

/** A prompt and what transformers writes after it. */
export interface GoldenReply {
  readonly row: QwenRow;
  readonly reply: readonly number[];
  readonly logp: readonly number[];
}

interface Stored {
  readonly tokens: readonly number[];
  readonly positions: readonly (readonly number[])[];
  readonly ropeDelta: number;
  readonly grids: readonly Grid[];
  readonly reply: readonly number[];
  readonly logp: readonly number[];
}

const patchesIn = (grids: readonly Grid[]): number => grids.reduce((sum, [t, h, w]) => sum + t * h * w, 0);

/** A model with its prompts. */
export interface GoldenModel {
  readonly config: QwenConfig;
  readonly params: QwenParams<HostTensor>;
  readonly replies: readonly GoldenReply[];
}

const repliesOf = (name: string, stored: readonly Stored[]): GoldenReply[] => {
  const taken = { images: 0, videos: 0 };
  return stored.map(({ tokens, positions, ropeDelta, grids, reply, logp }) => {
    const kind = grids.some(([t]) => t > 1) ? "videos" : "images"; // no golden prompt has both
    const size = patchesIn(grids) * 1176;
    const patches = Float32Array.from(hashed(`${name}.${kind}`, taken[kind] + size).subarray(taken[kind]));
    taken[kind] += size;
    const row = { tokens: Int32Array.from(tokens), positions: Int32Array.from(positions.flat()), ropeDelta, grids };
    return { row: grids.length === 0 ? row : { ...row, patches }, reply, logp };
  });
};

/** One of `sizes`, `same`, `video`, `text`. */
export const goldenModel = (name: string): GoldenModel => {
  const models = read("qwen-model.json") as Record<string, { config: unknown }>;
  const config = parseQwenConfig(models[name]?.config);
  const shapes = [...qwenParameterShapes(config)];
  const params = Object.fromEntries(shapes.map(([path, shape]) => [path, hashedWeight(path, shape)]));
  const stored = (read("qwen-generate.json") as Record<string, readonly Stored[]>)[name] ?? [];
  return { config, params, replies: repliesOf(name, stored) };
};

/** Rows by the text of their prompt: "0", "1", …. */
export const rowsByText = (rows: readonly QwenRow[]): RowEncoder => ({
  encode: (messages) => {
    const part = messages[0]?.content[0];
    const row = part?.type === "text" ? rows[Number(part.text)] : undefined;
    return row === undefined ? Promise.reject(new Error("no such row")) : Promise.resolve(row);
  },
});

/** The prompt of a row. */
export const promptOf = (index: number): readonly Message[] => [
  { role: "user", content: [{ type: "text", text: String(index) }] },
];

/** Tokens as numbers; a reply never stops. */
export const numberTokenizer = (vocabSize: number, stopTokens: readonly number[] = []): ReplyTokenizer => ({
  vocabSize,
  stopTokens,
  encodeReply: (text) => Int32Array.from(text.split(" "), Number),
  decode: (tokens) => tokens.join(" "),
});
