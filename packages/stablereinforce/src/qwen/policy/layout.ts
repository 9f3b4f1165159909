/** Prompts and replies as the model's inputs: padded, with each distinct picture once. */
import { ConfigError } from "@r1reward/core";
import { int32Tensor, type HostTensor } from "../../engine/tensor.ts";
import { bucketLength } from "../../policy/transformer-policy.ts";
import type { QwenRow } from "../inputs/types.ts";
import { visionInputs, type QwenConfig, type QwenInputs } from "../model/index.ts";
import { gatherPictures, type Gathered, type Picture } from "./pictures.ts";

/** A row to lay out: a prompt, and what was or is to be written after it. */
export interface LayoutRow {
  /** `[P]`; its ids and positions come from `media` where that is there, which has at least as many. */
  readonly prompt: ArrayLike<number>;
  readonly reply?: ArrayLike<number> | undefined;
  /** What the prompt is beside its tokens; text when it is missing. */
  readonly media?: QwenRow | undefined;
}

/**
 * What a row carries as `media`.
 * @throws ConfigError when it is no `QwenRow`
 */
export const mediaOf = (media: unknown): QwenRow | undefined => {
  if (media === undefined) return undefined;
  const row = media as Partial<QwenRow> | null;
  const good = row?.positions instanceof Int32Array && Array.isArray(row.grids) && typeof row.ropeDelta === "number";
  if (good) return media as QwenRow;
  throw new ConfigError("row media: expected what the policy's own encode made (positions, ropeDelta, grids)");
};

/** Writes one row's positions: the prompt's own, then one after another from P + ropeDelta. */
const writePositions = (
  target: Int32Array,
  { prompt, reply, media }: LayoutRow,
  [row, rows, length]: readonly [number, number, number],
): void => {
  const [from, used] = [media === undefined ? 0 : prompt.length, prompt.length + (reply?.length ?? 0)];
  const wide = media === undefined ? 0 : media.positions.length / 3;
  for (let axis = 0; axis < 3; axis++) {
    const at = (axis * rows + row) * length;
    if (media !== undefined) target.set(media.positions.subarray(axis * wide, axis * wide + prompt.length), at);
    for (let i = from; i < used; i++) target[at + i] = i + (media?.ropeDelta ?? 0);
  }
};

/** For every pad of a prompt the vision row that stands there; −1 elsewhere, and everywhere in replies. */
const imageRowsOf = (
  rows: readonly LayoutRow[],
  [size, length]: readonly [number, number],
  { config, gathered }: { config: QwenConfig; gathered: Gathered },
): HostTensor => {
  const data = new Int32Array(size * length).fill(-1);
  const unit = config.vision.mergeSize ** 2;
  rows.forEach(({ prompt, media }, n) => {
    const places = (media?.grids ?? []).flatMap(([t, h, w], i) => {
      const start = gathered.starts[n]?.[i] as number;
      return Array.from({ length: (t * h * w) / unit }, (_, k) => start + k);
    });
    let next = 0;
    for (let i = 0; i < prompt.length; i++) {
      if (prompt[i] === config.imageToken || prompt[i] === config.videoToken) {
        data[n * length + i] = places[next++] ?? -1;
      }
    }
    if (next !== places.length) {
      throw new ConfigError(`prompt: expected ${places.length} pads for its images and videos, got ${next}`);
    }
  });
  return int32Tensor(data, [size, length]);
};

/** Rows of text with places for pictures, and the distinct pictures that belong there. */
export interface LaidOut {
  readonly text: { readonly tokens: HostTensor; readonly positions: HostTensor };
  readonly pictures: readonly Picture[];
  /** Where the vision rows of `pictures`, one after another, stand; missing without pictures. */
  readonly imageRows?: HostTensor;
}

/**
 * Rows as `[size, length]`, with their pictures apart.
 * @throws ConfigError when a prompt's pads and pictures do not fit
 */
export const layText = (
  rows: readonly LayoutRow[],
  shape: readonly [size: number, length: number],
  config: QwenConfig,
): LaidOut => {
  const [size, length] = shape;
  const tokens = new Int32Array(size * length);
  const positions = new Int32Array(3 * size * length);
  rows.forEach((row, n) => {
    tokens.set(row.prompt, n * length);
    if (row.reply !== undefined) tokens.set(row.reply, n * length + row.prompt.length);
    writePositions(positions, row, [n, size, length]);
  });
  const text = { tokens: int32Tensor(tokens, [size, length]), positions: int32Tensor(positions, [3, size, length]) };
  const gathered = gatherPictures(
    rows.map(({ media }) => media),
    config.vision.mergeSize ** 2,
  );
  const { pictures } = gathered;
  return pictures.length === 0
    ? { text, pictures }
    : { text, pictures, imageRows: imageRowsOf(rows, shape, { config, gathered }) };
};

/**
 * Rows as the model's inputs, pictures as patches: what can be differentiated through.
 * @throws ConfigError when a prompt's pads and pictures do not fit
 */
export const layRows = (
  rows: readonly LayoutRow[],
  shape: readonly [size: number, length: number],
  config: QwenConfig,
): QwenInputs<HostTensor> => {
  const { text, pictures, imageRows } = layText(rows, shape, config);
  if (imageRows === undefined) return text;
  const grids = pictures.map(({ grid }) => grid);
  const patches = pictures.map((picture) => picture.patches);
  return { ...text, ...visionInputs(grids, patches, config), imageRows };
};

/**
 * Vision rows as one tensor `[M, D]`. M depends on the rows' number and on the largest one's pads alone, in steps, so that graphs stay
 * few whoever shares a picture.
 */
export const layVision = (
  parts: readonly Float32Array[],
  [size, pads, width]: readonly [size: number, pads: number, width: number],
): HostTensor => {
  const count = size * bucketLength(pads);
  const data = new Float32Array(count * width);
  let at = 0;
  for (const part of parts) {
    data.set(part, at);
    at += part.length;
  }
  return { data, shape: [count, width], dtype: "float32" };
};

/** The places whose tokens are scored, `[S]`: those of the replies, filled up with −1. */
export const scoredPlaces = (rows: readonly LayoutRow[], length: number, count: number): HostTensor => {
  const data = new Int32Array(count).fill(-1);
  let next = 0;
  rows.forEach(({ prompt, reply }, n) => {
    for (let t = 0; t < (reply?.length ?? 0); t++) data[next++] = n * length + prompt.length + t;
  });
  return int32Tensor(data, [count]);
};
