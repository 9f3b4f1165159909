/** Kernels that move elements and compute nothing. */
import { backend_util, slice_util, util, type DataType } from "@tensorflow/tfjs-core";
import { EngineError } from "../../errors.ts";
import { sameShape, sizeOf, type DType, type Value } from "../../onnx/ir.ts";
import { cast, int64s, reshape, scalar, where, type Lowering, type Lowerings } from "../lower.ts";
import type { Recorder } from "../recorder.ts";

/** TensorFlow.js dtypes that a graph can hold. */
export const traceable = (dtype: DataType | undefined, op: string): DType => {
  if (dtype === "float32" || dtype === "int32" || dtype === "bool") return dtype;
  throw new EngineError(`dtype ${dtype ?? "undefined"} cannot be compiled: use float32, int32 or bool`, {
    reason: "dtype",
    op,
  });
};

const numbers = (value: unknown): number[] => (Array.isArray(value) ? value.map(Number) : [Number(value)]);

/** Rows `begin … begin + size` of every axis. */
export const slice = (r: Recorder, x: Value, begin: readonly number[], size: readonly number[]): Value => {
  const axes = x.shape.map((_, i) => i).filter((i) => begin[i] !== 0 || size[i] !== x.shape[i]);
  if (axes.length === 0) return x;
  if (x.splat !== undefined) return r.splat(x.splat, { type: x.type, shape: size });
  const pick = (list: readonly number[]): Value =>
    int64s(
      r,
      axes.map((i) => list[i] ?? 0),
    );
  const ends = begin.map((from, i) => from + (size[i] ?? 0));
  return r.emit("Slice", [x, pick(begin), pick(ends), int64s(r, axes)], { type: x.type, shape: size });
};

const stridedSlice: Lowering = (r, inputs, attrs) => {
  const x = inputs("x");
  const mask = (name: string): number => Number(attrs[name] ?? 0);
  const info = slice_util.sliceInfo(
    [...x.shape],
    numbers(attrs["begin"]),
    numbers(attrs["end"]),
    numbers(attrs["strides"]),
    mask("beginMask"),
    mask("endMask"),
    mask("ellipsisMask"),
    mask("newAxisMask"),
    mask("shrinkAxisMask"),
  );
  if (info.isIdentity) return reshape(r, x, info.finalShape);
  // With a negative stride, -1 means "to the very start", which ONNX spells as a number below every index.
  const ends = info.end.map((end, i) => ((info.strides[i] ?? 1) < 0 && end < 0 ? -(2 ** 31) : end));
  const axes = x.shape.map((_, i) => i);
  const taken = [info.begin, ends, axes, info.strides].map((list) => int64s(r, list));
  const sparse = r.emit("Slice", [x, ...taken], { type: x.type, shape: info.finalShapeSparse });
  return reshape(r, sparse, info.finalShape);
};

/** Axes in another order. */
export const transpose = (r: Recorder, x: Value, perm: readonly number[]): Value => {
  if (perm.every((axis, i) => axis === i)) return x;
  const shape = perm.map((axis) => x.shape[axis] ?? 1);
  if (x.splat !== undefined) return r.splat(x.splat, { type: x.type, shape });
  return r.emit("Transpose", [x], { type: x.type, shape }, { perm: { ints: perm } });
};

/** Parts after one another along `axis`; empty parts are dropped. */
export const concat = (r: Recorder, parts: readonly Value[], axis: number): Value => {
  const first = parts[0] as Value;
  const shape = first.shape.map((n, i) => (i === axis ? parts.reduce((sum, x) => sum + (x.shape[i] ?? 0), 0) : n));
  const full = parts.filter((x) => sizeOf(x.shape) > 0);
  if (full.length === 1) return full[0] as Value;
  return r.emit("Concat", full.length === 0 ? parts : full, { type: first.type, shape }, { axis: { int: axis } });
};

const split: Lowering = (r, inputs, attrs) => {
  const x = inputs("x");
  const [axis = 0] = util.parseAxisParam(Number(attrs["axis"]), [...x.shape]);
  const asked = attrs["numOrSizeSplits"];
  const splits = Array.isArray(asked) ? asked.map(Number) : Number(asked); // a copy: TensorFlow.js writes into it
  const sizes = backend_util.prepareSplitSize({ shape: [...x.shape] } as never, splits, axis);
  const specs = sizes.map((n) => ({ type: x.type, shape: x.shape.map((m, i) => (i === axis ? n : m)) }));
  if (sizes.length === 1) return [x];
  return r.emitMany("Split", [x, int64s(r, sizes)], specs, { axis: { int: axis } });
};

const pack: Lowering = (r, inputs, attrs) => {
  const first = inputs.all[0] as Value;
  for (const { shape, type } of inputs.all) {
    if (sameShape(shape, first.shape) && type === first.type) continue;
    const got = [first, { shape, type }].map((x) => `${x.type}[${x.shape.join(", ")}]`).join(" and ");
    const reason = type === first.type ? "shape" : "dtype";
    throw new EngineError(`tensors to be stacked must be alike, got ${got}`, { reason });
  }
  const axis = (Number(attrs["axis"]) + first.shape.length + 1) % (first.shape.length + 1);
  const shape = [...first.shape.slice(0, axis), 1, ...first.shape.slice(axis)];
  return concat(
    r,
    inputs.all.map((x) => reshape(r, x, shape)),
    axis,
  );
};

const unpack: Lowering = (r, inputs, attrs) => {
  const x = inputs("value");
  const axis = (Number(attrs["axis"]) + x.shape.length) % x.shape.length;
  const shape = x.shape.filter((_, i) => i !== axis);
  return Array.from({ length: x.shape[axis] ?? 0 }, (_, at) => {
    const begin = x.shape.map((_n, i) => (i === axis ? at : 0));
    return reshape(
      r,
      slice(
        r,
        x,
        begin,
        x.shape.map((n, i) => (i === axis ? 1 : n)),
      ),
      shape,
    );
  });
};

/** Repeats along axes of length 1 and new leading axes. */
export const expand = (r: Recorder, x: Value, shape: readonly number[]): Value => {
  if (sameShape(x.shape, shape)) return x;
  if (x.splat !== undefined) return r.splat(x.splat, { type: x.type, shape });
  return r.repeated(r.emit("Expand", [x, int64s(r, shape)], { type: x.type, shape }), x);
};

const tile: Lowering = (r, inputs, attrs) => {
  const x = inputs("x");
  const reps = numbers(attrs["reps"]);
  const shape = x.shape.map((n, i) => n * (reps[i] ?? 1));
  if (x.shape.every((n, i) => n === 1 || reps[i] === 1)) return expand(r, x, shape);
  return r.emit("Tile", [x, int64s(r, reps)], { type: x.type, shape });
};

const pad: Lowering = (r, inputs, attrs) => {
  const x = inputs("x");
  const paddings = attrs["paddings"] as readonly (readonly [number, number])[];
  const shape = x.shape.map((n, i) => n + (paddings[i]?.[0] ?? 0) + (paddings[i]?.[1] ?? 0));
  const amounts = int64s(r, [...paddings.map(([before]) => before), ...paddings.map(([, after]) => after)]);
  if (x.type !== "bool")
    return r.emit("Pad", [x, amounts, scalar(r, Number(attrs["constantValue"]), x.type)], { type: x.type, shape });
  const padded = [cast(r, x, "int32"), amounts, scalar(r, Number(attrs["constantValue"]), "int32")];
  return cast(r, r.emit("Pad", padded, { type: "int32", shape }), "bool");
};

const reverse: Lowering = (r, inputs, attrs) => {
  const x = inputs("x");
  const axes = util.parseAxisParam(attrs["dims"] as number[], [...x.shape]);
  const all = (value: number): Value =>
    int64s(
      r,
      axes.map(() => value),
    );
  if (axes.length === 0) return x;
  return r.emit("Slice", [x, all(-1), all(-(2 ** 31)), int64s(r, axes), all(-1)], { type: x.type, shape: x.shape });
};

/** 2 GB of four-byte elements: what a model file can hold at most. */
const MOST_ELEMENTS = 2 ** 29;

/** A number of elements that a constant of the graph can have. */
export const countable = (count: number): number => {
  if (count >= 0 && count < MOST_ELEMENTS) return count;
  const problem = `${count} elements: a constant of a graph holds fewer than ${MOST_ELEMENTS}`;
  throw new EngineError(problem, { reason: "too-large" });
};

/** 1 at the index, 0 elsewhere. An index outside 0 … depth − 1 gives a row of `offValue`, where ONNX's OneHot would wrap. */
const oneHot: Lowering = (r, inputs, attrs) => {
  const indices = inputs("indices");
  const depth = countable(Number(attrs["depth"]));
  const type = traceable(attrs["dtype"] as DataType | undefined, "OneHot");
  const shape = [...indices.shape, depth];
  const classes = r.constant(
    Int32Array.from({ length: depth }, (_, i) => i),
    { type: "int32", shape: [depth] },
  );
  const column = reshape(r, cast(r, indices, "int32"), [...indices.shape, 1]);
  const hit = r.emit("Equal", [column, classes], { type: "bool", shape });
  const value = (name: string): Value => scalar(r, Number(attrs[name]), type === "bool" ? "int32" : type);
  return cast(r, where(r, hit, [value("onValue"), value("offValue")]), type);
};

const range: Lowering = (r, _inputs, attrs) => {
  const [start, stop, by] = [Number(attrs["start"]), Number(attrs["stop"]), Number(attrs["step"])];
  const type = traceable((attrs["dtype"] ?? "float32") as DataType, "Range");
  const length = countable(Math.max(0, Math.ceil((stop - start) / by)));
  const values = Array.from({ length }, (_, i) => start + i * by);
  return r.constant(type === "int32" ? Int32Array.from(values) : Float32Array.from(values), { type, shape: [length] });
};

/** Shape kernels by name. */
export const shapes: Lowerings = {
  Identity: (_r, inputs) => inputs("x"),
  Reshape: (r, inputs, attrs) => {
    const x = inputs("x");
    return reshape(r, x, util.inferFromImplicitShape(numbers(attrs["shape"]), sizeOf(x.shape)));
  },
  ExpandDims: (r, inputs, attrs) => {
    const x = inputs("input");
    const axis = Number(attrs["dim"]) < 0 ? x.shape.length + 1 + Number(attrs["dim"]) : Number(attrs["dim"]);
    return reshape(r, x, [...x.shape.slice(0, axis), 1, ...x.shape.slice(axis)]);
  },
  Cast: (r, inputs, attrs) => cast(r, inputs("x"), traceable(attrs["dtype"] as DataType, "Cast")),
  Transpose: (r, inputs, attrs) => transpose(r, inputs("x"), numbers(attrs["perm"])),
  Concat: (r, inputs, attrs) => {
    const first = inputs.all[0] as Value;
    const axis = util.parseAxisParam(Number(attrs["axis"]), [...first.shape])[0] ?? 0;
    backend_util.assertParamsConsistent(
      inputs.all.map((x) => [...x.shape]),
      axis,
    );
    return concat(r, inputs.all, axis);
  },
  Slice: (r, inputs, attrs) => {
    const x = inputs("x");
    const shape = [...x.shape] as [number];
    const [begin = [], size = []] = slice_util.parseSliceParams(
      { shape, rank: x.shape.length } as never,
      attrs["begin"] as number[],
      attrs["size"] as number[],
    );
    slice_util.assertParamsValid({ shape, rank: x.shape.length } as never, begin, size);
    return slice(r, x, begin, size);
  },
  StridedSlice: stridedSlice,
  SplitV: split,
  Pack: pack,
  Unpack: unpack,
  Tile: tile,
  BroadcastTo: (r, inputs, attrs) => expand(r, inputs("x"), numbers(attrs["shape"])),
  PadV2: pad,
  Reverse: reverse,
  OneHot: oneHot,
  Range: range,
  Fill: (r, _inputs, attrs) => {
    const type = traceable((attrs["dtype"] ?? "float32") as DataType, "Fill");
    return r.splat(Number(attrs["value"]), { type, shape: numbers(attrs["shape"]) });
  },
  ZerosLike: (r, inputs) => r.splat(0, inputs("x")),
  OnesLike: (r, inputs) => r.splat(1, inputs("x")),
};
