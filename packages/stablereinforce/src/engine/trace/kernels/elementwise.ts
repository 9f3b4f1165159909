/** Element-wise kernels. Formulas stand beside the ones that ONNX has no node for. */
import { backend_util, upcastType } from "@tensorflow/tfjs-core";
import { EngineError } from "../../errors.ts";
import { sameShape, sizeOf, type DType, type Value } from "../../onnx/ir.ts";
import { cast, pair, reshape, scalar, unary, where, type Lowering, type Lowerings } from "../lower.ts";
import type { Recorder } from "../recorder.ts";
import { expand } from "./shape.ts";

/** ONNX has the same op under the same or another name. */
const direct =
  (op: string): Lowering =>
  (r, inputs) =>
    unary(r, op, inputs("x"));

const toBool = (r: Recorder, op: string, x: Value): Value => r.emit(op, [x], { type: "bool", shape: x.shape });

/** A uniform or repeated operand enters in its small form when the other one alone gives the shape. */
const narrow = (r: Recorder, x: Value, other: Value, shape: readonly number[]): Value => {
  if (x.shape.length === 0 || !sameShape(other.shape, shape)) return x;
  return x.splat === undefined ? (x.repeats ?? x) : scalar(r, x.splat, x.type);
};

/** Both operands in one dtype and their broadcast shape. */
const broadcast = (r: Recorder, a: Value, b: Value): { a: Value; b: Value; shape: number[] } => {
  const shape = backend_util.assertAndGetBroadcastShape([...a.shape], [...b.shape]);
  if (a.type !== b.type) {
    throw new EngineError(`dtypes ${a.type} and ${b.type} do not match: cast one of them`, {
      reason: "dtype",
      op: r.label,
    });
  }
  const left = narrow(r, a, b, shape);
  return { a: left, b: narrow(r, b, left, shape), shape };
};

/** x·1, x+0 and the like give x back, when x already has the output's shape. (−0 + 0 is the one bit this changes.) */
const neutral = (op: string, [a, b]: readonly [Value, Value], shape: readonly number[]): Value | undefined => {
  const right = { Add: 0, Sub: 0, Mul: 1, Div: 1 }[op];
  if (right === undefined) return undefined;
  if (b.splat === right && sameShape(a.shape, shape)) return a;
  const commutes = op === "Add" || op === "Mul";
  return commutes && a.splat === right && sameShape(b.shape, shape) ? b : undefined;
};

const binary =
  (op: string): Lowering =>
  (r, inputs) => {
    const { a, b, shape } = broadcast(r, inputs("a"), inputs("b"));
    if (a.type === "bool") return cast(r, pair(r, op, [cast(r, a, "int32"), cast(r, b, "int32")], shape), "bool");
    return neutral(op, [a, b], shape) ?? pair(r, op, [a, b], shape);
  };

/** ORT 1.30's WebGPU `Pow` broadcasts a scalar and nothing else ("raw_hash_map::at"): rows and columns are spread out first. */
const power: Lowering = (r, inputs) => {
  const { a, b, shape } = broadcast(r, inputs("a"), inputs("b"));
  const spread = (x: Value): Value => (sizeOf(x.shape) === 1 ? x : expand(r, x, shape));
  return pair(r, "Pow", [spread(a), spread(b)], shape);
};

const compare =
  (op: string, negate = false): Lowering =>
  (r, inputs) => {
    const { a, b, shape } = broadcast(r, inputs("a"), inputs("b"));
    // ORT orders numbers only
    const [left, right] = a.type === "bool" ? [cast(r, a, "int32"), cast(r, b, "int32")] : [a, b];
    const result = r.emit(op, [left, right], { type: "bool", shape });
    return negate ? unary(r, "Not", result) : result;
  };

const logical =
  (op: string): Lowering =>
  (r, inputs) => {
    const shape = backend_util.assertAndGetBroadcastShape([...inputs("a").shape], [...inputs("b").shape]);
    return r.emit(op, [inputs("a"), inputs("b")], { type: "bool", shape });
  };

/** Integer quotient rounded down. Through float64, where every int32 is exact; x / 0 is 0, as in an Int32Array. */
const floorDivide: Lowering = (r, inputs) => {
  const { a, b, shape } = broadcast(r, inputs("a"), inputs("b"));
  if (a.type === "float32") return unary(r, "Floor", pair(r, "Div", [a, b], shape));
  const zero = r.emit("Equal", [b, scalar(r, 0, "int32")], { type: "bool", shape: b.shape });
  const safe = where(r, zero, [scalar(r, 1, "int32"), b]);
  const quotient = pair(r, "Div", [cast(r, a, "float64"), cast(r, safe, "float64")], shape);
  return where(r, zero, [scalar(r, 0, "int32"), cast(r, unary(r, "Floor", quotient), "int32")], shape);
};

/** By 0 and by −1, either of which ends the process in C, the remainder is 0, and so it is by 1. */
const intModulo = (r: Recorder, [a, b]: readonly [Value, Value], shape: readonly number[]): Value => {
  const is = (n: number): Value => r.emit("Equal", [b, scalar(r, n, "int32")], { type: "bool", shape: b.shape });
  const harmful = r.emit("Or", [is(0), is(-1)], { type: "bool", shape: b.shape });
  return r.emit("Mod", [a, where(r, harmful, [scalar(r, 1, "int32"), b])], { type: "int32", shape });
};

/** Remainder with the divisor's sign. ONNX's `fmod` has the dividend's: r + b where the signs differ and r ≠ 0. */
const modulo: Lowering = (r, inputs) => {
  const { a, b, shape } = broadcast(r, inputs("a"), inputs("b"));
  if (a.type === "int32") return intModulo(r, [a, b], shape);
  const rest = r.emit("Mod", [a, b], { type: "float32", shape }, { fmod: { int: 1 } });
  const signs = pair(r, "Mul", [unary(r, "Sign", rest), unary(r, "Sign", b)], shape);
  const differ = r.emit("Less", [signs, scalar(r, 0)], { type: "bool", shape });
  return where(r, differ, [pair(r, "Add", [rest, b], shape), rest]);
};

/** log(1 + x) for small x too: with u = 1 + x, x·log(u)/(u − 1), and x itself where u rounds to 1 (Kahan). */
const log1p: Lowering = (r, inputs) => {
  const x = inputs("x");
  const u = pair(r, "Add", [x, scalar(r, 1)]);
  const denominator = pair(r, "Sub", [u, scalar(r, 1)]);
  const ratio = pair(r, "Div", [x, denominator]);
  const tiny = r.emit("Equal", [u, scalar(r, 1)], { type: "bool", shape: x.shape });
  const infinite = toBool(r, "IsInf", x);
  const exact = pair(r, "Mul", [unary(r, "Log", u), where(r, infinite, [scalar(r, 1), ratio])]);
  return where(r, tiny, [x, exact]);
};

/** exp(x) − 1 = tanh(x/2)·(exp(x) + 1), which keeps small x; plain where exp(x) + 1 says nothing new. */
const expm1: Lowering = (r, inputs) => {
  const x = inputs("x");
  const e = unary(r, "Exp", x);
  const half = unary(r, "Tanh", pair(r, "Mul", [x, scalar(r, 0.5)]));
  const small = r.emit("Less", [unary(r, "Abs", x), scalar(r, 1)], { type: "bool", shape: x.shape });
  return where(r, small, [
    pair(r, "Mul", [half, pair(r, "Add", [e, scalar(r, 1)])]),
    pair(r, "Sub", [e, scalar(r, 1)]),
  ]);
};

/** x clipped; NaN stays NaN. */
const clip = (r: Recorder, x: Value, low: number, high: number): Value =>
  pair(r, "Min", [pair(r, "Max", [x, scalar(r, low, x.type)]), scalar(r, high, x.type)]);

/** Integers are neither NaN nor infinite. */
const classified =
  (op: string): Lowering =>
  (r, inputs) =>
    inputs("x").type === "float32"
      ? toBool(r, op, inputs("x"))
      : r.splat(0, { type: "bool", shape: inputs("x").shape });

const isFinite: Lowering = (r, inputs) => {
  const x = inputs("x");
  if (x.type !== "float32") return r.splat(1, { type: "bool", shape: x.shape });
  const bad = r.emit("Or", [toBool(r, "IsInf", x), toBool(r, "IsNaN", x)], { type: "bool", shape: x.shape });
  return unary(r, "Not", bad);
};

const step: Lowering = (r, inputs, attrs) => {
  const x = inputs("x");
  const positive = r.emit("Greater", [x, scalar(r, 0, x.type)], { type: "bool", shape: x.shape });
  const other = where(r, positive, [scalar(r, 1, x.type), scalar(r, Number(attrs["alpha"] ?? 0), x.type)]);
  return x.type === "float32" ? where(r, toBool(r, "IsNaN", x), [x, other]) : other;
};

const leakyRelu: Lowering = (r, inputs, attrs) => {
  const x = cast(r, inputs("x"), "float32");
  return r.emit("LeakyRelu", [x], x, { alpha: { float: Number(attrs["alpha"]) } });
};

/** ONNX spreads the slopes, not x. */
const prelu: Lowering = (r, inputs) => {
  const [x, alpha] = [cast(r, inputs("x"), "float32"), cast(r, inputs("alpha"), "float32")];
  const shape = backend_util.assertAndGetBroadcastShape([...x.shape], [...alpha.shape]);
  return pair(r, "PRelu", [expand(r, x, shape), alpha], shape);
};

const select: Lowering = (r, inputs) => {
  const type = upcastType(inputs("t").type as DType, inputs("e").type as DType) as DType;
  const [condition, t, e] = [inputs("condition"), cast(r, inputs("t"), type), cast(r, inputs("e"), type)];
  const rows = t.shape.length > 1 && condition.shape.length === 1; // a vector condition chooses rows
  const shaped = rows ? reshape(r, condition, [...condition.shape, ...t.shape.slice(1).map(() => 1)]) : condition;
  const yes = narrow(r, t, shaped, t.shape);
  const no = narrow(r, e, sameShape(yes.shape, t.shape) ? t : shaped, t.shape);
  const chosen = narrow(r, shaped, sameShape(yes.shape, t.shape) ? yes : no, t.shape);
  if (t.type !== "bool") return where(r, chosen, [yes, no], t.shape);
  return cast(r, where(r, chosen, [cast(r, yes, "int32"), cast(r, no, "int32")], t.shape), "bool");
};

const SAME = ["Abs", "Neg", "Log", "Sqrt", "Sigmoid", "Tanh", "Ceil", "Floor", "Sin", "Cos", "Tan"];
const MORE = [
  "Asin",
  "Acos",
  "Atan",
  "Sinh",
  "Cosh",
  "Asinh",
  "Acosh",
  "Atanh",
  "Erf",
  "Reciprocal",
  "Sign",
  "Softplus",
];

/** Element-wise kernels by name. */
export const elementwise: Lowerings = {
  ...Object.fromEntries([...SAME, ...MORE, "Selu"].map((op) => [op, direct(op)])),
  Relu: (r, inputs) => pair(r, "Max", [inputs("x"), scalar(r, 0, inputs("x").type)]),
  Relu6: (r, inputs) => clip(r, inputs("x"), 0, 6),
  ClipByValue: (r, inputs, attrs) => clip(r, inputs("x"), Number(attrs["clipValueMin"]), Number(attrs["clipValueMax"])),
  Elu: (r, inputs) => r.emit("Elu", [inputs("x")], inputs("x")),
  Exp: (r, inputs) => unary(r, "Exp", cast(r, inputs("x"), "float32")),
  Round: (r, inputs) => (inputs("x").type === "float32" ? unary(r, "Round", inputs("x")) : inputs("x")),
  LeakyRelu: leakyRelu,
  Square: (r, inputs) => pair(r, "Mul", [inputs("x"), inputs("x")]),
  Rsqrt: (r, inputs) => unary(r, "Reciprocal", unary(r, "Sqrt", inputs("x"))),
  Log1p: log1p,
  Expm1: expm1,
  Step: step,
  IsNan: classified("IsNaN"),
  IsInf: classified("IsInf"),
  IsFinite: isFinite,
  LogicalNot: direct("Not"),
  LogicalAnd: logical("And"),
  LogicalOr: logical("Or"),
  LogicalXor: logical("Xor"),
  Add: binary("Add"),
  AddN: (r, inputs) => inputs.all.reduce((sum, x) => pair(r, "Add", [sum, x])),
  Sub: binary("Sub"),
  Multiply: binary("Mul"),
  RealDiv: binary("Div"),
  Maximum: binary("Max"),
  Minimum: binary("Min"),
  Pow: power,
  FloorDiv: floorDivide,
  Mod: modulo,
  SquaredDifference: (r, inputs) => {
    const { a, b, shape } = broadcast(r, inputs("a"), inputs("b"));
    const difference = pair(r, "Sub", [a, b], shape);
    return pair(r, "Mul", [difference, difference]);
  },
  Prelu: prelu,
  Equal: compare("Equal"),
  NotEqual: compare("Equal", true),
  Greater: compare("Greater"),
  GreaterEqual: compare("GreaterOrEqual"),
  Less: compare("Less"),
  LessEqual: compare("LessOrEqual"),
  Select: select,
};
