/**
 * Gradients of element-wise kernels. TensorFlow.js keeps its own in files that Node's ESM cannot reach, so these are
 * written here, formula by formula. They differ from TensorFlow.js's in four places: |x| has slope 0 at 0 (not −1),
 * `floorDiv` has slope 0, comparisons and logic have slope 0 instead of an error, and x·log x-like corners of `pow` are 0.
 */
import * as tf from "@tensorflow/tfjs-core";
import { gate, real, saved, unbroadcast, type Back, type Gradient } from "./words.ts";

const ofX = (slope: (dy: tf.Tensor, x: tf.Tensor, attrs: Back["attrs"]) => tf.Tensor): Gradient => ({
  saves: ["x"],
  back: (b) => ({ x: () => slope(b.dy, real(saved(b, 0)), b.attrs) }),
});

const ofY = (slope: (dy: tf.Tensor, y: tf.Tensor) => tf.Tensor): Gradient => ({
  savesOutput: true,
  back: (b) => ({ x: () => slope(b.dy, saved(b, 0)) }),
});

const ofPair = (
  slopes: (dy: tf.Tensor, a: tf.Tensor, b: tf.Tensor) => readonly [() => tf.Tensor, () => tf.Tensor],
): Gradient => ({
  saves: ["a", "b"],
  back: (back) => {
    const [a, b] = [saved(back, 0), saved(back, 1)];
    const [da, db] = slopes(back.dy, real(a), real(b));
    return { a: () => unbroadcast(da(), a.shape), b: () => unbroadcast(db(), b.shape) };
  },
});

const flat = (...names: string[]): Gradient => ({
  saves: names,
  back: (b) => Object.fromEntries(names.map((name, i) => [name, () => tf.zeros(saved(b, i).shape)])),
});

const one = (x: tf.Tensor): tf.Tensor => tf.add(x, 1);
const minusSquare = (x: tf.Tensor): tf.Tensor => tf.sub(1, tf.square(x));
const SELU_ALPHA = 1.7580993408473768; // scale · alpha of Klambauer et al. 2017
const SELU_SCALE = 1.0507009873554805;

/** base^exponent by base and by exponent; log is asked only where base > 0. */
const power: Gradient = {
  saves: ["a", "b"],
  savesOutput: true,
  back: (back) => {
    const [a, b, y] = [saved(back, 0), saved(back, 1), saved(back, 2)];
    const [base, exponent] = [real(a), real(b)];
    const byBase = (): tf.Tensor => tf.mul(back.dy, tf.mul(exponent, tf.pow(base, tf.sub(exponent, 1))));
    const byExponent = (): tf.Tensor => {
      const positive = tf.greater(base, 0);
      const log = tf.where(positive, tf.log(tf.where(positive, base, tf.onesLike(base))), tf.zerosLike(base));
      return tf.mul(back.dy, tf.mul(real(y), log));
    };
    return { a: () => unbroadcast(byBase(), a.shape), b: () => unbroadcast(byExponent(), b.shape) };
  },
};

const select: Gradient = {
  saves: ["condition"],
  back: (b) => {
    const given = saved(b, 0);
    const rows = given.rank === 1 && b.dy.rank > 1;
    const condition = rows ? tf.reshape(given, [given.size, ...b.dy.shape.slice(1).map(() => 1)]) : given;
    const full = rows ? tf.broadcastTo(condition, b.dy.shape) : condition;
    return {
      condition: () => tf.zeros(given.shape),
      t: () => gate(full, b.dy),
      e: () => tf.where(full, tf.zerosLike(b.dy), b.dy),
    };
  },
};

const prelu: Gradient = {
  saves: ["x", "alpha"],
  back: (b) => {
    const [x, alpha] = [saved(b, 0), saved(b, 1)];
    const positive = tf.broadcastTo(tf.greater(x, 0), b.dy.shape);
    const byX = (): tf.Tensor => tf.where(positive, b.dy, tf.mul(b.dy, real(alpha)));
    const byAlpha = (): tf.Tensor => tf.where(positive, tf.zerosLike(b.dy), tf.mul(b.dy, real(x)));
    return { x: () => unbroadcast(byX(), x.shape), alpha: () => unbroadcast(byAlpha(), alpha.shape) };
  },
};

const within = (x: tf.Tensor, low: number, high: number): tf.Tensor =>
  tf.logicalAnd(tf.greaterEqual(x, low), tf.lessEqual(x, high));

const activations: Readonly<Record<string, Gradient>> = {
  Relu: ofX((dy, x) => gate(tf.greater(x, 0), dy)),
  Relu6: ofX((dy, x) => gate(tf.logicalAnd(tf.greater(x, 0), tf.lessEqual(x, 6)), dy)),
  Elu: ofY((dy, y) => tf.mul(dy, tf.where(tf.greater(y, 0), tf.onesLike(y), one(y)))),
  Selu: ofX((dy, x) => {
    const scale = tf.fill(x.shape, SELU_SCALE);
    return tf.mul(dy, tf.where(tf.greater(x, 0), scale, tf.mul(SELU_ALPHA, tf.exp(tf.minimum(x, 0)))));
  }),
  LeakyRelu: ofX((dy, x, attrs) => tf.where(tf.greater(x, 0), dy, tf.mul(dy, Number(attrs["alpha"])))),
  Sigmoid: ofY((dy, y) => tf.mul(dy, tf.mul(y, tf.sub(1, y)))),
  Tanh: ofY((dy, y) => tf.mul(dy, minusSquare(y))),
  Softplus: ofX((dy, x) => tf.mul(dy, tf.sigmoid(x))),
  Erf: ofX((dy, x) => tf.mul(dy, tf.mul(2 / Math.sqrt(Math.PI), tf.exp(tf.neg(tf.square(x)))))),
  ClipByValue: ofX((dy, x, attrs) => gate(within(x, Number(attrs["clipValueMin"]), Number(attrs["clipValueMax"])), dy)),
};

const functions: Readonly<Record<string, Gradient>> = {
  Abs: ofX((dy, x) => tf.mul(dy, tf.sign(x))),
  Neg: { back: (b) => ({ x: () => tf.neg(b.dy) }) },
  Exp: ofY((dy, y) => tf.mul(dy, y)),
  Log: ofX((dy, x) => tf.div(dy, x)),
  Log1p: ofX((dy, x) => tf.div(dy, one(x))),
  Expm1: ofX((dy, x) => tf.mul(dy, tf.exp(x))),
  Sqrt: ofY((dy, y) => tf.div(dy, tf.mul(2, y))),
  Rsqrt: ofY((dy, y) => tf.mul(dy, tf.mul(-0.5, tf.mul(y, tf.square(y))))),
  Square: ofX((dy, x) => tf.mul(dy, tf.mul(2, x))),
  Reciprocal: ofY((dy, y) => tf.neg(tf.mul(dy, tf.square(y)))),
  Sin: ofX((dy, x) => tf.mul(dy, tf.cos(x))),
  Cos: ofX((dy, x) => tf.neg(tf.mul(dy, tf.sin(x)))),
  Tan: ofX((dy, x) => tf.div(dy, tf.square(tf.cos(x)))),
  Asin: ofX((dy, x) => tf.div(dy, tf.sqrt(minusSquare(x)))),
  Acos: ofX((dy, x) => tf.neg(tf.div(dy, tf.sqrt(minusSquare(x))))),
  Atan: ofX((dy, x) => tf.div(dy, one(tf.square(x)))),
  Sinh: ofX((dy, x) => tf.mul(dy, tf.cosh(x))),
  Cosh: ofX((dy, x) => tf.mul(dy, tf.sinh(x))),
  Asinh: ofX((dy, x) => tf.div(dy, tf.sqrt(one(tf.square(x))))),
  Acosh: ofX((dy, x) => tf.div(dy, tf.sqrt(tf.sub(tf.square(x), 1)))),
  Atanh: ofX((dy, x) => tf.div(dy, minusSquare(x))),
};

const pairs: Readonly<Record<string, Gradient>> = {
  Add: ofPair((dy) => [() => dy, () => dy]),
  Sub: ofPair((dy) => [() => dy, () => tf.neg(dy)]),
  Multiply: ofPair((dy, a, b) => [() => tf.mul(dy, b), () => tf.mul(dy, a)]),
  RealDiv: ofPair((dy, a, b) => [() => tf.div(dy, b), () => tf.neg(tf.mul(dy, tf.div(tf.div(a, b), b)))]),
  Mod: ofPair((dy, a, b) => [() => dy, () => tf.neg(tf.mul(dy, tf.floor(tf.div(a, b))))]),
  Maximum: ofPair((dy, a, b) => [() => gate(tf.greaterEqual(a, b), dy), () => gate(tf.less(a, b), dy)]),
  Minimum: ofPair((dy, a, b) => [() => gate(tf.lessEqual(a, b), dy), () => gate(tf.greater(a, b), dy)]),
  SquaredDifference: ofPair((dy, a, b) => {
    const twice = (): tf.Tensor => tf.mul(dy, tf.mul(2, tf.sub(a, b)));
    return [twice, () => tf.neg(twice())];
  }),
  Pow: power,
  Prelu: prelu,
  Select: select,
  AddN: {
    savesAll: true,
    back: (b) => Object.fromEntries(b.saved.map((_, i) => [String(i), () => b.dy])),
  },
};

const COMPARISONS = ["Equal", "NotEqual", "Greater", "GreaterEqual", "Less", "LessEqual", "LogicalAnd", "LogicalOr"];
const STEPS = ["Sign", "Ceil", "Floor", "Round", "Step", "IsNan", "IsInf", "IsFinite", "LogicalNot"];
const CHOICES = ["ArgMax", "ArgMin", "All", "Any", "OnesLike", "ZerosLike"];

/** Element-wise gradients by kernel name. */
export const elementwiseGradients: Readonly<Record<string, Gradient>> = {
  ...activations,
  ...functions,
  ...pairs,
  ...Object.fromEntries([...COMPARISONS, "LogicalXor", "FloorDiv"].map((name) => [name, flat("a", "b")])),
  ...Object.fromEntries([...STEPS, ...CHOICES].map((name) => [name, flat("x")])),
};
