/** The vision tower: patches, blocks with attention inside windows or frames, and the merger. */
import * as tf from "@tensorflow/tfjs-core";
import { attendWith, splitHeads, type Rotary } from "../../model/layers.ts";
import { moveRows } from "../../ops/rows.ts";
import { block, hiding, inverseFrequencies, linear, mlp, norm, rotaryAt, type Scope } from "./layers.ts";
import type { QwenVisionConfig, VisionInputs } from "./types.ts";

/** Fixed in the architecture, not in `config.json`. */
const EPS = 1e-6;

/** Groups of patches that see each other: S groups of n places. */
interface Layout {
  /** `[S·n]` the patch at each place, −1 for none. */
  readonly index: tf.Tensor;
  /** `[N]` the place of each patch; undefined when places are patches, in order. */
  readonly slots: tf.Tensor | undefined;
  readonly shape: readonly [groups: number, places: number];
  /** `[S, n, 1, d/2]`. */
  readonly rotary: Rotary;
  /** `[S, 1, 1, n]`. */
  readonly bias: tf.Tensor | undefined;
}

const layoutOf = (groups: tf.Tensor, slots: tf.Tensor | undefined, rotary: Rotary): Layout => {
  const [count = 0, places = 0] = groups.shape;
  const index = tf.reshape(groups, [count * places]);
  const half = rotary.cos.shape.at(-1) ?? 0;
  const turned = [count, places, 1, half];
  if (slots === undefined) {
    const shaped = { cos: tf.reshape(rotary.cos, turned), sin: tf.reshape(rotary.sin, turned) };
    return { index, slots, shape: [count, places], rotary: shaped, bias: undefined };
  }
  const filled = tf.greaterEqual(groups, tf.scalar(0, "int32"));
  const at = tf.maximum(index, tf.scalar(0, "int32")) as tf.Tensor1D;
  const pick = (x: tf.Tensor): tf.Tensor => tf.reshape(tf.gather(tf.reshape(x, [-1, half]), at), turned);
  const bias = hiding(filled, [count, 1, 1, places]);
  return { index, slots, shape: [count, places], rotary: { cos: pick(rotary.cos), sin: pick(rotary.sin) }, bias };
};

/** Attention of one block: `[N, D]` → `[N, D]`. */
const attend = (scope: Scope, at: string, x: tf.Tensor, [layout, v]: readonly [Layout, QwenVisionConfig]) => {
  const { index, slots, shape, rotary, bias } = layout;
  const joint = linear(scope, `${at}.qkv`, x);
  const placed = slots === undefined ? joint : moveRows(joint, index, slots);
  const c = { heads: v.heads, kvHeads: v.heads, headSize: v.hiddenSize / v.heads };
  const heads = splitHeads(tf.reshape(placed, [...shape, 3 * v.hiddenSize]), rotary, c);
  const mixed = tf.reshape(attendWith(heads, { bias }), [shape[0] * shape[1], v.hiddenSize]);
  return linear(scope, `${at}.proj`, slots === undefined ? mixed : moveRows(mixed, slots, index));
};

/** Exact, with the error function: x·(1 + erf(x/√2))/2. */
const gelu = (x: tf.Tensor): tf.Tensor => tf.mul(x, tf.mul(0.5, tf.add(1, tf.erf(tf.mul(x, Math.SQRT1_2)))));

/** Frequencies of rows and columns: each half of a head's frequencies, from the same series. */
const frequencies = (v: QwenVisionConfig): readonly number[][] => {
  const series = inverseFrequencies(v.ropeTheta, v.hiddenSize / v.heads / 2);
  return [series, series];
};

/** Rows of what image tokens stand for: `[G, out]`, in the processor's order. */
export const visionTower = (scope: Scope, v: QwenVisionConfig, inputs: VisionInputs<tf.Tensor>): tf.Tensor => {
  const { patches, windowIndex, windowInverse } = inputs;
  const [count = 0] = patches.shape;
  const unit = v.mergeSize ** 2;
  const embedded = linear(scope, "visual.patch_embed.proj", patches);
  const grouped = tf.reshape(embedded, [count / unit, unit * v.hiddenSize]);
  let x = tf.reshape(moveRows(grouped, windowIndex, windowInverse, true), [count, v.hiddenSize]);
  const rotary = rotaryAt(inputs.patchPositions, frequencies(v));
  const windows = layoutOf(inputs.windows, inputs.windowSlots, rotary);
  const frames = layoutOf(inputs.frames, inputs.frameSlots, rotary);
  for (let i = 0; i < v.depth; i++) {
    const layout = v.fullAttentionBlocks.includes(i) ? frames : windows;
    const at = `visual.blocks.${i}`;
    x = block(scope, at, x, (own, y) => {
      const mixed = tf.add(y, attend(own, `${at}.attn`, norm(own, `${at}.norm1`, y, EPS), [layout, v]));
      return tf.add(mixed, mlp(own, `${at}.mlp`, norm(own, `${at}.norm2`, mixed, EPS)));
    });
  }
  const rows = tf.reshape(norm(scope, "visual.merger.ln_q", x, EPS), [count / unit, unit * v.hiddenSize]);
  const merged = linear(scope, "visual.merger.mlp.2", gelu(linear(scope, "visual.merger.mlp.0", rows)));
  return moveRows(merged, windowInverse, windowIndex, true);
};
