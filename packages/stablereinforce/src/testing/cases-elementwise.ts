/** Element-wise kernels: value, gradient, broadcasting, NaN and Inf, integers and booleans. */
import * as tf from "@tensorflow/tfjs-core";
import { bools, floats, ints, SPECIAL, spread, type CaseInput, type KernelCase } from "./cases.ts";
import { map1, map2, pick, build, broadcast, type Grid } from "./oracle.ts";

type Unary = readonly [
  kernel: string,
  run: (x: tf.Tensor) => tf.Tensor,
  f: (x: number) => number,
  domain?: readonly [number, number],
  options?: { readonly special?: false },
];

const logistic = (x: number): number => 1 / (1 + Math.exp(-x));
const roundEven = (x: number): number => {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
};
/** Abramowitz & Stegun 7.1.5, summed until it stands still. */
const erf = (x: number): number => {
  if (Number.isNaN(x)) return x;
  if (Math.abs(x) > 5) return Math.sign(x);
  let [term, sum] = [x, x];
  for (let n = 1; n < 200; n++) {
    term *= -(x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
};
const selu = (x: number): number => 1.0507009873554805 * (x >= 0 ? x : 1.6732632423543772 * Math.expm1(x));

// An odd number of values from an irrational grid: none is 0, ±0.5 or a whole number, where slopes jump.
const UNARY: readonly Unary[] = [
  ["Abs", tf.abs, Math.abs],
  ["Neg", tf.neg, (x) => -x],
  ["Exp", tf.exp, Math.exp],
  ["Expm1", tf.expm1, Math.expm1, [-0.7, 0.7]],
  ["Log", tf.log, Math.log, [0.1, 4]],
  ["Log1p", tf.log1p, Math.log1p, [-0.9, 4]],
  ["Sqrt", tf.sqrt, Math.sqrt, [0.1, 4]],
  ["Rsqrt", tf.rsqrt, (x) => 1 / Math.sqrt(x), [0.1, 4]],
  ["Square", tf.square, (x) => x * x],
  ["Reciprocal", tf.reciprocal, (x) => 1 / x, [0.3, 3]],
  ["Sigmoid", tf.sigmoid, logistic],
  ["Tanh", tf.tanh, Math.tanh],
  ["Softplus", tf.softplus, (x) => (x > 30 ? x : Math.log1p(Math.exp(x)))],
  ["Erf", tf.erf, erf],
  ["Relu", tf.relu, (x) => (Number.isNaN(x) ? x : Math.max(0, x))],
  ["Relu6", tf.relu6, (x) => (Number.isNaN(x) ? x : Math.min(6, Math.max(0, x))), [-2, 9]],
  ["Elu", tf.elu, (x) => (x >= 0 ? x : Math.expm1(x))],
  ["Selu", tf.selu, selu],
  ["LeakyRelu", (x) => tf.leakyRelu(x, 0.1), (x) => (x >= 0 ? x : 0.1 * x)],
  ["Sin", tf.sin, Math.sin],
  ["Cos", tf.cos, Math.cos],
  ["Tan", tf.tan, Math.tan, [-1.2, 1.2]],
  ["Asin", tf.asin, Math.asin, [-0.9, 0.9]],
  ["Acos", tf.acos, Math.acos, [-0.9, 0.9]],
  ["Atan", tf.atan, Math.atan],
  ["Sinh", tf.sinh, Math.sinh],
  ["Cosh", tf.cosh, Math.cosh],
  ["Asinh", tf.asinh, Math.asinh, [-2, 2], { special: false }], // libraries differ on −Inf: −Inf or NaN
  ["Acosh", tf.acosh, Math.acosh, [1.2, 4]],
  ["Atanh", tf.atanh, Math.atanh, [-0.9, 0.9]],
  ["Sign", tf.sign, (x) => (Number.isNaN(x) ? 0 : Math.sign(x)), [-2, 2], { special: false }], // sign(NaN): 0 here, NaN in ONNX
  ["Ceil", tf.ceil, Math.ceil],
  ["Floor", tf.floor, Math.floor],
  ["Round", tf.round, roundEven],
  ["Step", (x) => tf.step(x, 0.25), (x) => (Number.isNaN(x) ? x : x > 0 ? 1 : 0.25)],
  ["ClipByValue", (x) => tf.clipByValue(x, -1, 1.5), (x) => (Number.isNaN(x) ? x : Math.min(1.5, Math.max(-1, x)))],
];

const unaryCases = ([kernel, run, f, domain = [-2, 2], options]: Unary): KernelCase[] => {
  const common = { kernel, run: run as KernelCase["run"], oracle: map1(f) };
  const value = { ...common, name: "values", inputs: [spread([3, 5], ...domain)], gradient: true };
  const special = { ...common, name: "NaN, Inf, ±0, ±100", inputs: [SPECIAL], gradient: false };
  return options?.special === false ? [value] : [value, special];
};

type Binary = readonly [
  kernel: string,
  run: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor,
  f: (a: number, b: number) => number,
  domain?: readonly [number, number],
];

const nan2 = (f: (a: number, b: number) => number) => (a: number, b: number) =>
  Number.isNaN(a) || Number.isNaN(b) ? Number.NaN : f(a, b);

const BINARY: readonly Binary[] = [
  ["Add", tf.add, (a, b) => a + b],
  ["Sub", tf.sub, (a, b) => a - b],
  ["Multiply", tf.mul, (a, b) => a * b],
  ["RealDiv", tf.div, (a, b) => a / b, [0.4, 3]],
  ["Maximum", tf.maximum, nan2(Math.max)],
  ["Minimum", tf.minimum, nan2(Math.min)],
  ["SquaredDifference", tf.squaredDifference, (a, b) => (a - b) ** 2],
  ["Pow", tf.pow, (a, b) => a ** b, [0.3, 2.5]],
  ["Mod", tf.mod, (a, b) => a - Math.floor(a / b) * b, [0.6, 4]],
  ["FloorDiv", tf.floorDiv, (a, b) => Math.floor(a / b), [0.6, 4]],
];

// No special values for FloorDiv and Mod, where libraries differ, nor for Pow: 1^NaN is NaN in JavaScript and 1 in C.
const binaryCases = ([kernel, run, f, domain = [-2, 2]]: Binary): KernelCase[] => {
  const common = { kernel, run: run as KernelCase["run"], oracle: map2(f) };
  const x = spread([2, 3, 4], ...domain);
  const pairs: [string, CaseInput][] = [
    ["same shape", spread([2, 3, 4], ...domain, 2)],
    ["row", spread([4], ...domain, 3)],
    ["column", spread([3, 1], ...domain, 5)],
    ["scalar", spread([], ...domain, 7)],
    ["outer", spread([5, 1, 1, 1], ...domain, 3)],
  ];
  const shapes = pairs.map(([name, y]) => ({ ...common, name, inputs: [x, y], gradient: true }));
  const [a, b] = [
    floats([Number.NaN, 1, Infinity, -Infinity, Infinity, 2]),
    floats([1, Number.NaN, 1, 1, Infinity, 0.5]),
  ];
  const special = { ...common, name: "NaN and Inf", inputs: [a, b], gradient: false };
  return ["FloorDiv", "Mod", "Pow"].includes(kernel) ? shapes : [...shapes, special];
};

const bit = (f: (a: number, b: number) => boolean) => map2((a, b) => (f(a, b) ? 1 : 0));

type Compare = readonly [
  kernel: string,
  run: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor,
  f: (a: number, b: number) => boolean,
];

const COMPARE: readonly Compare[] = [
  ["Equal", tf.equal, (a, b) => a === b],
  ["NotEqual", tf.notEqual, (a, b) => a !== b],
  ["Greater", tf.greater, (a, b) => a > b],
  ["GreaterEqual", tf.greaterEqual, (a, b) => a >= b],
  ["Less", tf.less, (a, b) => a < b],
  ["LessEqual", tf.lessEqual, (a, b) => a <= b],
];

const compareCases = ([kernel, run, f]: Compare): KernelCase[] => {
  const common = { kernel, run: run as KernelCase["run"], oracle: bit(f), dtype: "bool" as const, gradient: false };
  const special = [floats([1, 2, Number.NaN, Infinity, 0]), floats([1, 3, Number.NaN, Infinity, -0])];
  return [
    { ...common, name: "floats with NaN and Inf", inputs: special },
    { ...common, name: "int32, broadcast", inputs: [ints([1, 2, 3, 4, 5, 6], [2, 3]), ints([2, 2, 6])] },
  ];
};

const LOGIC: readonly Compare[] = [
  ["LogicalAnd", tf.logicalAnd, (a, b) => a + b === 2],
  ["LogicalOr", tf.logicalOr, (a, b) => a + b > 0],
  ["LogicalXor", tf.logicalXor, (a, b) => a !== b],
];

const logicCases = ([kernel, run, f]: Compare): KernelCase => ({
  kernel,
  name: "truth table",
  inputs: [bools([0, 0, 1, 1]), bools([0, 1, 0, 1])],
  run: run as KernelCase["run"],
  oracle: bit(f),
  dtype: "bool",
  gradient: false,
});

const TEST: readonly (readonly [string, (x: tf.Tensor) => tf.Tensor, (x: number) => boolean])[] = [
  ["IsNan", tf.isNaN, Number.isNaN],
  ["IsInf", tf.isInf, (x) => Math.abs(x) === Infinity],
  ["IsFinite", tf.isFinite, Number.isFinite],
];

const whole = (kernel: string, run: KernelCase["run"], f: (a: number, b: number) => number): KernelCase => ({
  kernel,
  name: "int32, both signs, past 2²⁴",
  inputs: [ints([7, -7, 7, -7, 16_777_217, 33_554_433]), ints([2, 2, -2, -2, 1, 2])],
  run,
  oracle: map2(f),
  dtype: "int32",
  gradient: false,
});

const where3 = ([c, t, e]: readonly Grid[]): Grid =>
  build(broadcast((c as Grid).shape, (t as Grid).shape), (at) =>
    pick(c as Grid, at) === 1 ? pick(t as Grid, at) : pick(e as Grid, at),
  );

const selectRun: KernelCase["run"] = (c, t, e) => tf.where(c as tf.Tensor, t as tf.Tensor, e as tf.Tensor);

const CONDITION = bools([1, 0, 0, 1, 1, 0], [2, 3]);

/** Element-wise cases. */
export const elementwiseCases: readonly KernelCase[] = [
  ...UNARY.flatMap(unaryCases),
  ...BINARY.flatMap(binaryCases),
  ...COMPARE.flatMap(compareCases),
  ...LOGIC.map(logicCases),
  ...TEST.map(([kernel, run, f]): KernelCase => ({
    kernel,
    name: "NaN, Inf, ±0",
    inputs: [SPECIAL],
    run: run as KernelCase["run"],
    oracle: map1((x) => (f(x) ? 1 : 0)),
    dtype: "bool",
    gradient: false,
  })),
  {
    kernel: "LogicalNot",
    name: "truth table",
    inputs: [bools([0, 1])],
    run: tf.logicalNot as KernelCase["run"],
    oracle: map1((x) => 1 - x),
    dtype: "bool",
    gradient: false,
  },
  whole("Add", tf.add as KernelCase["run"], (a, b) => a + b),
  whole("Multiply", tf.mul as KernelCase["run"], (a, b) => a * b),
  whole("FloorDiv", tf.floorDiv as KernelCase["run"], (a, b) => Math.floor(a / b)),
  whole("Maximum", tf.maximum as KernelCase["run"], Math.max),
  {
    kernel: "Select",
    name: "same shape",
    inputs: [CONDITION, spread([2, 3]), spread([2, 3], -2, 2, 3)],
    run: selectRun,
    oracle: where3,
    gradient: true,
  },
  {
    kernel: "Select",
    name: "a NaN that is not chosen stays out",
    inputs: [CONDITION, spread([2, 3]), floats([NaN, 1, 2, NaN, NaN, 3], [2, 3])],
    run: selectRun,
    oracle: where3,
    gradient: false,
  },
  {
    kernel: "Select",
    name: "condition from a comparison takes gradients",
    inputs: [spread([2, 3]), spread([2, 3], -2, 2, 3)],
    run: (a, b) => tf.where(tf.greater(a as tf.Tensor, b as tf.Tensor), tf.square(a as tf.Tensor), b as tf.Tensor),
    oracle: map2((a, b) => (a > b ? a * a : b)),
    gradient: true,
  },
  {
    kernel: "AddN",
    name: "three",
    inputs: [spread([2, 3]), spread([2, 3], -1, 1, 3), spread([2, 3], -1, 1, 5)],
    run: (a, b, c) => tf.addN([a, b, c] as tf.Tensor[]),
    oracle: ([a, b, c]) => map2((x, y) => x + y)([map2((x, y) => x + y)([a, b] as Grid[]), c as Grid]),
    gradient: true,
  },
];
