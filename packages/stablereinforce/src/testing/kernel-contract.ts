/**
 * The kernel contract: every kernel's value, dtype, gradient and behaviour on NaN and Inf against loops that import
 * nothing, on whatever engine is given. Hand the list to any test runner:
 *
 *   for (const { name, check } of kernelContract(engine)) it(name, check);
 */
import * as tf from "@tensorflow/tfjs-core";
import { isEngineError, type Engine, type EngineTensor, type Precision } from "../engine/index.ts";
import { elementwiseCases } from "./cases-elementwise.ts";
import { indexCases, productCases } from "./cases-index.ts";
import { edgeCases } from "./cases-edge.ts";
import { moveCases } from "./cases-move.ts";
import { reductionCases } from "./cases-reduce.ts";
import type { CaseInput, KernelCase } from "./cases.ts";
import type { Grid } from "./oracle.ts";

/** One check; `check` throws when the engine fails it. */
export interface ContractCheck {
  readonly name: string;
  /** Kernel concerned. */
  readonly kernel: string;
  readonly check: () => Promise<void>;
}

/** What the engine was made with. */
export interface KernelContractOptions {
  /** Type of matrix products, as given to `createEngine`; `float32` by default. */
  readonly precision?: Precision | undefined;
}

/** All cases. */
export const kernelCases: readonly KernelCase[] = [
  ...elementwiseCases,
  ...reductionCases,
  ...moveCases,
  ...indexCases,
  ...productCases,
  ...edgeCases,
];

/**
 * Allowed error of matrix products, relative to the largest number: four roundings of factors and result. Half an ulp of float16 is
 * 2^-11, of bfloat16 2^-8.
 */
const PRODUCT_TOLERANCE = { float32: 1e-5, float16: 2 ** -9, bfloat16: 2 ** -6 } as const;
const PRODUCTS = new Set(["BatchMatMul", "Einsum"]);

/** Allowed errors of value and gradient. */
const tolerances = (one: KernelCase, precision: Precision): { value: number; gradient: number } => {
  const product = PRODUCTS.has(one.kernel) ? PRODUCT_TOLERANCE[precision] : 0;
  return { value: Math.max(one.tolerance ?? 1e-5, product), gradient: Math.max(2e-4, product) };
};

const ARRAYS = { float32: Float32Array, int32: Int32Array, bool: Uint8Array } as const;

/** Fixed weights that make Σ y⊙w sensitive to every element. */
const weightsFor = (n: number): number[] =>
  Array.from({ length: n }, (_, i) => Math.fround(Math.sin(i * 1.7 + 0.4) + 1.2));

const failure = (where: string, got: unknown, want: unknown): Error =>
  new Error(`${where}: expected ${String(want)}, got ${String(got)}`);

/** Are two numbers the same within `tolerance` of `scale`? NaN is NaN, Inf is Inf. */
const agree = (got: number, want: number, slack: number): boolean =>
  Object.is(got, want) || (Number.isNaN(want) ? Number.isNaN(got) : Math.abs(got - want) <= slack);

const compare = (where: string, got: ArrayLike<number>, [want, tolerance]: readonly [Grid, number]): void => {
  if (got.length !== want.data.length) throw failure(`${where}: number of elements`, got.length, want.data.length);
  const finite = want.data.filter(Number.isFinite).map(Math.abs);
  const slack = tolerance * Math.max(1, ...finite.filter((x) => x < 1e30));
  want.data.forEach((value, i) => {
    const rounded = Math.fround(value);
    const far = Math.abs(rounded) > 1e30 && Number.isFinite(rounded) ? Math.abs(rounded) * tolerance : slack;
    if (!agree(got[i] ?? Number.NaN, rounded, far)) throw failure(`${where}[${i}]`, got[i], rounded);
  });
};

/** Central differences of Σ oracle(x)⊙w by input `k`, in doubles. */
const differences = (one: KernelCase, k: number): Grid => {
  const weigh = (grid: Grid): number => {
    const w = weightsFor(grid.data.length);
    return grid.data.reduce((sum, y, i) => sum + y * (w[i] ?? 0), 0);
  };
  const moved = (i: number, by: number): number =>
    weigh(
      one.oracle(
        one.inputs.map((x, j) => (j === k ? { ...x, data: x.data.map((v, n) => (n === i ? v + by : v)) } : x)),
      ),
    );
  const h = 1e-5;
  const x = one.inputs[k] as CaseInput;
  return { shape: x.shape, data: x.data.map((_, i) => (moved(i, h) - moved(i, -h)) / (2 * h)) };
};

interface Evaluated {
  readonly value: EngineTensor;
  readonly grads: readonly EngineTensor[];
}

const floatIndexes = (one: KernelCase): number[] =>
  one.gradient ? one.inputs.flatMap((x, i) => (x.dtype === "float32" ? [i] : [])) : [];

const program = (one: KernelCase) => (xs: tf.Tensor[]) => {
  const wanted = floatIndexes(one);
  const value = one.run(...xs);
  if (wanted.length === 0) return { value, grads: [] };
  const weighted = (...varied: tf.Tensor[]): tf.Scalar => {
    const all = xs.map((x, i) => (wanted.includes(i) ? (varied[wanted.indexOf(i)] as tf.Tensor) : x));
    const y = one.run(...all);
    return tf.sum(tf.mul(y, tf.tensor(weightsFor(y.size), y.shape))) as tf.Scalar;
  };
  return { value, grads: tf.grads(weighted)(wanted.map((i) => xs[i] as tf.Tensor)) };
};

const checkCase = async (engine: Engine, one: KernelCase, precision: Precision): Promise<void> => {
  const allowed = tolerances(one, precision);
  const compiled = engine.compile(program(one), { name: `${one.kernel}_case` });
  const before = engine.liveTensors();
  const xs = one.inputs.map((x) => engine.tensor(new ARRAYS[x.dtype](x.data), x.shape, x.dtype));
  const out = (await compiled(xs)) as Evaluated;
  const want = one.oracle(one.inputs);
  if (out.value.dtype !== (one.dtype ?? "float32")) throw failure("dtype", out.value.dtype, one.dtype ?? "float32");
  if (out.value.shape.join() !== want.shape.join()) throw failure("shape", out.value.shape, want.shape);
  compare("value", (await engine.read(out.value)).data, [want, allowed.value]);
  for (const [n, k] of floatIndexes(one).entries()) {
    const grad = await engine.read(out.grads[n] as EngineTensor);
    compare(`gradient of input ${k}`, grad.data, [differences(one, k), allowed.gradient]);
  }
  engine.dispose([out.value, ...out.grads, ...xs]);
  await compiled.dispose();
  if (engine.liveTensors() !== before) throw failure("live tensors", engine.liveTensors(), before);
};

/** −1 in a list, as no one knows before it runs: `x` is zeros. */
const minusOne = (x: tf.Tensor): tf.Tensor1D =>
  tf.cast(tf.sub(tf.slice(tf.reshape(x, [x.size]), [0], [1]), 1), "int32") as tf.Tensor1D;

/** Shapes and dtypes that do not fit: what must be named in the error. */
const MISFITS: readonly (readonly [name: string, run: (x: tf.Tensor) => tf.Tensor, says: RegExp])[] = [
  ["BatchMatMul inner sizes", (x) => tf.matMul(x, x), /matmul/i],
  ["Add shapes", (x) => tf.add(x, tf.zeros([5])), /broadcast/i],
  ["Reshape size", (x) => tf.reshape(x, [7]), /reshape|size|shape/i],
  ["Concat shapes", (x) => tf.concat([x, tf.zeros([2, 4])], 0), /concat/i],
  ["Slice past the end", (x) => tf.slice(x, [0, 2], [2, 5]), /slice/i],
  ["Transpose axes", (x) => tf.transpose(x, [0]), /transpose/i],
  ["GatherV2 with float ids", (x) => tf.gather(x, tf.tensor1d([0.5]) as never), /gather|int32/i],
  ["GatherV2 of row -1", (x) => tf.gather(x, minusOne(x)), /gather/i],
  ["GatherNd of row -1", (x) => tf.gatherND(x, tf.reshape(minusOne(x), [1, 1])), /gather|indices/i],
  ["Pack shapes", (x) => tf.stack([x, tf.zeros([3, 2])]), /stack/i],
  ["SplitV parts", (x) => tf.split(x, 2, 1)[0] as tf.Tensor, /split/i],
  ["SplitV sizes", (x) => tf.split(x, [1, 1], 1)[0] as tf.Tensor, /size/i],
  ["Einsum sizes", (x) => tf.einsum("ij,jk->ik", x, x), /einsum|dimension/i],
  ["Prelu shapes", (x) => tf.prelu(x, tf.zeros([2])), /broadcast|prelu/i],
  ["Softmax of a scalar", (x) => tf.softmax(tf.sum(x)), /axis|softmax/i],
  ["OneHot of 2^40 classes", (x) => tf.oneHot(minusOne(x), 2 ** 40), /one|length|elements|memory/i],
];

const checkMisfit = async (engine: Engine, [name, run, says]: (typeof MISFITS)[number]): Promise<void> => {
  const x = engine.tensor(new Float32Array(6), [2, 3]);
  const compiled = engine.compile(run as (x: tf.Tensor) => tf.Tensor, { name: "misfit" });
  const error: unknown = await compiled(x).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  engine.dispose(x);
  if (!(error instanceof Error) || !says.test(error.message))
    throw failure(name, error, `an error that says ${String(says)}`);
  if (engine.compiles && !isEngineError(error)) throw failure(name, error.name, "EngineError");
  if (isEngineError(error) && error.op === undefined) throw failure(name, error.message, "an error that names the op");
};

/** The contract's checks for one engine. */
export const kernelContract = (engine: Engine, options: KernelContractOptions = {}): readonly ContractCheck[] => [
  ...kernelCases.map((one) => ({
    name: `${one.kernel}: ${one.name}`,
    kernel: one.kernel,
    check: () => checkCase(engine, one, options.precision ?? "float32"),
  })),
  ...MISFITS.map((misfit) => ({
    name: `refuses ${misfit[0]}`,
    kernel: misfit[0].split(" ")[0] ?? "",
    check: () => checkMisfit(engine, misfit),
  })),
];
