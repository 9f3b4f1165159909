/**
 * Kernels with indices.
 *
 * Sums into repeated places use ScatterElements, never ScatterND with a reduction: the CPU kernel of the latter loses updates
 * when two threads meet in one row (onnxruntime #18048, #23396). Indices past the end are errors of ONNX Runtime when a gather
 * runs (GPU providers do not look). So are negative ones here, though ONNX would count −n … −1 from the end: a label of −1
 * must not be the last token.
 */
import { util } from "@tensorflow/tfjs-core";
import { EngineError } from "../../errors.ts";
import { sizeOf, type Data, type Value } from "../../onnx/ir.ts";
import { cast, int64s, pair, reshape, scalar, where, type Lowering, type Lowerings } from "../lower.ts";
import type { Recorder } from "../recorder.ts";
import { expand } from "./shape.ts";

const NOWHERE = -(2 ** 31);

/** Refuses numbers outside of 0 … `sizes[i]` − 1 in column i, when they are known. */
const checkKnown = (data: Data, sizes: readonly number[]): void => {
  data.forEach((id: number | bigint, at: number) => {
    const size = sizes[at % sizes.length] ?? 0;
    if (id >= 0 && id < size) return;
    throw new EngineError(`index ${id} is outside of 0 … ${size - 1}`, { reason: "shape" });
  });
};

/** Indices of which no negative one points anywhere. The last axis of `indices` has one column per size. */
const fromStart = (r: Recorder, indices: Value, sizes: readonly number[]): Value => {
  const ids = cast(r, indices, "int32");
  if (ids.data !== undefined) checkKnown(ids.data, sizes);
  if (ids.data !== undefined || sizeOf(ids.shape) === 0) return ids;
  const negative = r.emit("Less", [ids, scalar(r, 0, "int32")], { type: "bool", shape: ids.shape });
  return where(r, negative, [scalar(r, NOWHERE, "int32"), ids]);
};

const gather: Lowering = (r, inputs, attrs) => {
  const x = inputs("x");
  const [axis = 0] = util.parseAxisParam(Number(attrs["axis"]), [...x.shape]);
  const indices = fromStart(r, inputs("indices"), [x.shape[axis] ?? 0]);
  const batch = Number(attrs["batchDims"] ?? 0);
  const shape = [...x.shape.slice(0, axis), ...indices.shape.slice(batch), ...x.shape.slice(axis + 1)];
  if (batch === 0) return r.emit("Gather", [x, indices], { type: x.type, shape }, { axis: { int: axis } });
  if (batch !== axis) {
    throw new EngineError(`batchDims ${batch} with axis ${axis}: only axis = batchDims is compiled`, {
      reason: "attribute",
      op: "GatherV2",
    });
  }
  const column = cast(r, reshape(r, indices, [...indices.shape, 1]), "int64");
  return r.emit("GatherND", [x, column], { type: x.type, shape }, { batch_dims: { int: batch } });
};

/**
 * Sums rows of `updates` `[n, d]` into `rows` rows by `ids` `[n]`, exactly and in order. Ids outside 0 … rows − 1 are
 * dropped, as in TensorFlow.
 */
export const segmentSum = (r: Recorder, updates: Value, ids: Value, rows: number): Value => {
  const [n = 0, d = 0] = updates.shape;
  const column = reshape(r, ids, [n, 1]);
  const low = r.emit("Less", [column, scalar(r, 0, "int32")], { type: "bool", shape: [n, 1] });
  const high = r.emit("GreaterOrEqual", [column, scalar(r, rows, "int32")], { type: "bool", shape: [n, 1] });
  const outside = r.emit("Or", [low, high], { type: "bool", shape: [n, 1] });
  const safe = where(r, outside, [scalar(r, 0, "int32"), column]);
  const kept = where(r, outside, [scalar(r, 0, updates.type), updates], [n, d]);
  const zeros = r.splat(0, { type: updates.type, shape: [rows, d] });
  return r.emit("ScatterElements", [zeros, expand(r, safe, [n, d]), kept], zeros, {
    axis: { int: 0 },
    reduction: { text: "add" },
  });
};

const unsortedSegmentSum: Lowering = (r, inputs, attrs) => {
  const [x, ids] = [inputs("x"), inputs("segmentIds")];
  const rows = Number(attrs["numSegments"]);
  const inner = x.shape.slice(ids.shape.length);
  const flat = reshape(r, x, [sizeOf(ids.shape), sizeOf(inner)]);
  const summed = segmentSum(r, flat, reshape(r, cast(r, ids, "int32"), [sizeOf(ids.shape)]), rows);
  return reshape(r, summed, [rows, ...inner]);
};

/** `[…, K]` index tuples → one index over the first K axes of `shape`. */
const linear = (r: Recorder, indices: Value, shape: readonly number[]): Value => {
  const depth = indices.shape.at(-1) ?? 0;
  const count = sizeOf(indices.shape) / Math.max(1, depth);
  const strides = Array.from({ length: depth }, (_, i) => sizeOf(shape.slice(i + 1, depth)));
  const weights = r.constant(Int32Array.from(strides), { type: "int32", shape: [depth] });
  const products = pair(r, "Mul", [reshape(r, cast(r, indices, "int32"), [count, depth]), weights]);
  return r.emit("ReduceSum", [products, int64s(r, [1])], { type: "int32", shape: [count] }, { keepdims: { int: 0 } });
};

const scatterNd: Lowering = (r, inputs, attrs) => {
  const [indices, updates] = [inputs("indices"), inputs("updates")];
  const shape = attrs["shape"] as readonly number[];
  const depth = indices.shape.at(-1) ?? 0;
  const ids = linear(r, indices, shape);
  const inner = sizeOf(shape.slice(depth));
  const summed = segmentSum(r, reshape(r, updates, [sizeOf(ids.shape), inner]), ids, sizeOf(shape.slice(0, depth)));
  return reshape(r, summed, shape);
};

const gatherNd: Lowering = (r, inputs) => {
  const x = inputs("params");
  const indices = fromStart(r, inputs("indices"), x.shape.slice(0, inputs("indices").shape.at(-1)));
  const shape = [...indices.shape.slice(0, -1), ...x.shape.slice(indices.shape.at(-1) ?? 0)];
  return r.emit("GatherND", [x, cast(r, indices, "int64")], { type: x.type, shape });
};

const scatterUpdate: Lowering = (r, inputs) => {
  const x = inputs("tensor");
  const indices = fromStart(r, inputs("indices"), x.shape.slice(0, inputs("indices").shape.at(-1)));
  return r.emit("ScatterND", [x, cast(r, indices, "int64"), inputs("updates")], x);
};

/** Kernels with indices, by name. */
export const gathers: Lowerings = {
  GatherV2: gather,
  GatherNd: gatherNd,
  ScatterNd: scatterNd,
  TensorScatterUpdate: scatterUpdate,
  UnsortedSegmentSum: unsortedSegmentSum,
};
