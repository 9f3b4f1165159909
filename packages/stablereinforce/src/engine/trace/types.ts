/** Which dtypes ONNX nodes take. What does not fit is found while tracing, where the op and its line are known, not when ONNX Runtime loads. */
import { EngineError } from "../errors.ts";
import type { Value, ValueType } from "../onnx/ir.ts";

const words = (text: string): ReadonlySet<string> => new Set(text.split(" "));

const FLOAT_ONLY = words(
  "Exp Log Sqrt Sigmoid Tanh Ceil Floor Round Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh Erf Reciprocal Softplus " +
    "Selu Elu LeakyRelu PRelu IsNaN IsInf Softmax LogSoftmax",
);
const NUMBERS_ONLY = words(
  "Abs Neg Sign Add Sub Mul Div Mod Pow Max Min Less LessOrEqual Greater GreaterOrEqual MatMul Einsum CumSum TopK ArgMax ArgMin " +
    "ReduceSum ReduceProd ReduceMean ReduceMax ReduceMin",
);
/** Nodes whose inputs are all of one dtype. */
const ALIKE = words(
  "Add Sub Mul Div Mod Max Min Less LessOrEqual Greater GreaterOrEqual Equal MatMul Einsum Concat PRelu",
);
/** Nodes of which these inputs are. */
const PAIRS: Readonly<Record<string, readonly [number, number]>> = {
  Where: [1, 2],
  ScatterND: [0, 2],
  ScatterElements: [0, 2],
};

const FLOATS: ReadonlySet<ValueType> = new Set(["float32", "float64"]);

const refuse = (problem: string, label: string): never => {
  throw new EngineError(problem, { reason: "dtype", op: label });
};

/** @throws EngineError `dtype`, naming the kernel that is being lowered */
export const checkTypes = (op: string, inputs: readonly (Value | null)[], label: string): void => {
  const types = inputs.flatMap((input) => (input === null ? [] : [input.type]));
  const [first] = types;
  if (first === undefined) return;
  if (FLOAT_ONLY.has(op) && !FLOATS.has(first)) refuse(`expected float32, got ${first}: cast it with tf.cast`, label);
  if (NUMBERS_ONLY.has(op) && first === "bool") refuse("expected numbers, got bool: cast it with tf.cast", label);
  const alike = ALIKE.has(op) ? types : (PAIRS[op] ?? []).map((i) => types[i]);
  const other = alike.find((type) => type !== alike[0]);
  if (other !== undefined) refuse(`dtypes ${String(alike[0])} and ${other} do not match: cast one of them`, label);
};
