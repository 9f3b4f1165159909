/** Kernels along axes: sums, extremes, scans, softmax, top-k. */
import { upcastType, util } from "@tensorflow/tfjs-core";
import { EngineError } from "../../errors.ts";
import type { DType, Value } from "../../onnx/ir.ts";
import { cast, int64s, reshape, scalar, where, type Attrs, type Lowering, type Lowerings } from "../lower.ts";
import type { Recorder } from "../recorder.ts";
import { countable } from "./shape.ts";

const axesOf = (attrs: Attrs, x: Value, name = "axis"): number[] =>
  util.parseAxisParam((attrs[name] ?? null) as never, [...x.shape]);

const reduced = (x: Value, axes: readonly number[], keep: boolean): number[] =>
  x.shape.flatMap((n, i) => (axes.includes(i) ? (keep ? [1] : []) : [n]));

/** One ONNX reduction over `axes`. ONNX would read an empty list as "all of them". */
export const reduce = (
  r: Recorder,
  op: string,
  x: Value,
  [axes, keep]: readonly [readonly number[], boolean],
): Value => {
  if (axes.length === 0) return x;
  const out = { type: x.type, shape: reduced(x, axes, keep) };
  return r.emit(op, [x, int64s(r, axes)], out, { keepdims: { int: keep ? 1 : 0 } });
};

const reducing =
  (op: string, name = "axis"): Lowering =>
  (r, inputs, attrs) => {
    const x = inputs("x");
    const number = x.type === "bool" ? cast(r, x, "int32") : x;
    return reduce(r, op, number, [axesOf(attrs, x, name), attrs["keepDims"] === true]);
  };

/** ONNX Runtime's ReduceMax and ReduceMin drop a NaN that is not in the first place: one more reduction finds it. */
const extreme =
  (op: string, name: string): Lowering =>
  (r, inputs, attrs) => {
    const x = inputs("x");
    const how = [axesOf(attrs, x, name), attrs["keepDims"] === true] as const;
    if (x.type !== "float32") return cast(r, reduce(r, op, cast(r, x, "int32"), how), x.type);
    const most = reduce(r, op, x, how);
    const bad = cast(r, r.emit("IsNaN", [x], { type: "bool", shape: x.shape }), "int32");
    const any = cast(r, reduce(r, "ReduceMax", bad, how), "bool");
    return where(r, any, [scalar(r, Number.NaN), most]);
  };

/** Of no elements, all are true and none is: ONNX's extremes of nothing are the ends of int32. */
const logical =
  (op: string, ofNothing: number): Lowering =>
  (r, inputs, attrs) => {
    const x = cast(r, inputs("x"), "int32");
    const [axes, keep] = [axesOf(attrs, x), attrs["keepDims"] === true];
    if (axes.some((axis) => x.shape[axis] === 0)) {
      return r.splat(ofNothing, { type: "bool", shape: reduced(x, axes, keep) });
    }
    return cast(r, reduce(r, op, x, [axes, keep]), "bool");
  };

const mean: Lowering = (r, inputs, attrs) => {
  const x = inputs("x");
  return reduce(r, "ReduceMean", cast(r, x, "float32"), [axesOf(attrs, x), attrs["keepDims"] === true]);
};

const argument =
  (op: string): Lowering =>
  (r, inputs, attrs) => {
    const x = inputs("x");
    const [axis = 0] = axesOf(attrs, x);
    const shape = x.shape.filter((_, i) => i !== axis);
    if (x.shape[axis] === 0) throw new EngineError(`axis ${axis} has no elements`, { reason: "shape" });
    const number = x.type === "bool" ? cast(r, x, "int32") : x;
    const found = r.emit(op, [number], { type: "int64", shape }, { axis: { int: axis }, keepdims: { int: 0 } });
    return cast(r, found, "int32");
  };

const cumsum: Lowering = (r, inputs, attrs) => {
  const x = inputs("x");
  const [axis = 0] = axesOf(attrs, x);
  const number = x.type === "bool" ? cast(r, x, "int32") : x;
  const along = r.constant(Int32Array.of(axis), { type: "int32", shape: [] });
  return r.emit("CumSum", [number, along], number, {
    exclusive: { int: attrs["exclusive"] === true ? 1 : 0 },
    reverse: { int: attrs["reverse"] === true ? 1 : 0 },
  });
};

const softmax =
  (op: string, attr: string): Lowering =>
  (r, inputs, attrs) => {
    const x = inputs("logits");
    const [axis = 0] = util.parseAxisParam(Number(attrs[attr] ?? -1), [...x.shape]);
    return r.emit(op, [cast(r, x, "float32")], { type: "float32", shape: x.shape }, { axis: { int: axis } });
  };

const topK: Lowering = (r, inputs, attrs) => {
  const x = inputs("x");
  const k = Number(attrs["k"]);
  const shape = [...x.shape.slice(0, -1), k];
  const specs = [
    { type: x.type, shape },
    { type: "int64" as const, shape },
  ];
  const [values, indices] = r.emitMany("TopK", [x, int64s(r, [k])], specs, { axis: { int: -1 }, sorted: { int: 1 } });
  return [values as Value, cast(r, indices as Value, "int32")];
};

/** How many elements of a sorted row lie before each value: `[B, n]`, `[B, m]` → `[B, m]`. */
const searchSorted: Lowering = (r, inputs, attrs) => {
  const given = [inputs("sortedSequence"), inputs("values")] as const;
  const type = upcastType(given[0].type as DType, given[1].type as DType) as DType;
  const [row, values] = [cast(r, given[0], type), cast(r, given[1], type)];
  const [batch = 1, n = 0] = row.shape;
  const m = values.shape[1] ?? 0;
  const [left, right] = [reshape(r, row, [batch, 1, n]), reshape(r, values, [batch, m, 1])];
  const op = attrs["side"] === "left" ? "Less" : "LessOrEqual";
  const before = r.emit(op, [left, right], { type: "bool", shape: [batch, m, n] });
  return reduce(r, "ReduceSum", cast(r, before, "int32"), [[2], false]);
};

const linspace: Lowering = (r, _inputs, attrs) => {
  const [start, stop, n] = [Number(attrs["start"]), Number(attrs["stop"]), countable(Number(attrs["num"]))];
  const values = Float32Array.from({ length: n }, (_, i) => start + (n === 1 ? 0 : (i * (stop - start)) / (n - 1)));
  return r.constant(values, { type: "float32", shape: [n] });
};

/** Kernels along axes, by name. */
export const reductions: Lowerings = {
  Sum: reducing("ReduceSum"),
  Prod: reducing("ReduceProd"),
  Mean: mean,
  Max: extreme("ReduceMax", "reductionIndices"),
  Min: extreme("ReduceMin", "axis"),
  All: logical("ReduceMin", 1),
  Any: logical("ReduceMax", 0),
  ArgMax: argument("ArgMax"),
  ArgMin: argument("ArgMin"),
  Cumsum: cumsum,
  Softmax: softmax("Softmax", "dim"),
  LogSoftmax: softmax("LogSoftmax", "axis"),
  TopK: topK,
  SearchSorted: searchSorted,
  LinSpace: linspace,
};
