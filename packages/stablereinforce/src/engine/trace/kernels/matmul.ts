/** Matrix products. Transposes stay nodes: ONNX Runtime folds them into its GEMM. */
import { broadcast_util } from "@tensorflow/tfjs-core";
import { EngineError } from "../../errors.ts";
import { sizeOf, type Value } from "../../onnx/ir.ts";
import { pair, reshape, scalar, unary, type Lowering, type Lowerings } from "../lower.ts";
import type { Recorder } from "../recorder.ts";
import { transpose } from "./shape.ts";

const swapLast = (r: Recorder, x: Value): Value => {
  const axes = x.shape.map((_, i) => i);
  return transpose(r, x, [...axes.slice(0, -2), axes.length - 1, axes.length - 2]);
};

/** `[…, M, K] · […, K, N]` → `[…, M, N]`. A stack of matrices times one matrix is one tall product. */
export const matmul = (r: Recorder, a: Value, b: Value): Value => {
  const [k, inner] = [a.shape.at(-1) ?? 0, b.shape.at(-2) ?? 0];
  if (a.shape.length < 2 || b.shape.length < 2 || k !== inner) {
    const problem = `inner sizes of [${a.shape.join(", ")}] and [${b.shape.join(", ")}] differ`;
    throw new EngineError(problem, { reason: "shape", op: "BatchMatMul" });
  }
  const [rows, columns] = [a.shape.at(-2) ?? 0, b.shape.at(-1) ?? 0];
  const outer = broadcast_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const shape = [...outer, rows, columns];
  if (k === 0) return r.splat(0, { type: a.type, shape }); // sums of nothing
  if (b.shape.length === 2 && a.shape.length > 2) {
    const tall = reshape(r, a, [sizeOf(a.shape) / k, k]);
    return reshape(r, pair(r, "MatMul", [tall, b], [tall.shape[0] ?? 0, columns]), shape);
  }
  return pair(r, "MatMul", [a, b], shape);
};

const batchMatMul: Lowering = (r, inputs, attrs) => {
  const a = attrs["transposeA"] === true ? swapLast(r, inputs("a")) : inputs("a");
  const b = attrs["transposeB"] === true ? swapLast(r, inputs("b")) : inputs("b");
  return matmul(r, a, b);
};

const ACTIVATIONS: Readonly<Record<string, (r: Recorder, x: Value) => Value>> = {
  linear: (_r, x) => x,
  relu: (r, x) => pair(r, "Max", [x, scalar(r, 0)]),
  sigmoid: (r, x) => unary(r, "Sigmoid", x),
  elu: (r, x) => unary(r, "Elu", x),
};

const fusedMatMul: Lowering = (r, inputs, attrs) => {
  const product = batchMatMul(r, inputs, attrs) as Value;
  const bias = inputs.all.length > 2 ? pair(r, "Add", [product, inputs("bias")]) : product;
  const name = typeof attrs["activation"] === "string" ? attrs["activation"] : "linear";
  const activate = ACTIVATIONS[name];
  if (activate === undefined) {
    throw new EngineError(`activation ${name} is not compiled: apply it after matMul`, {
      reason: "attribute",
      op: "_FusedMatMul",
    });
  }
  return activate(r, bias);
};

/** The length that each letter stands for. */
const lettersOf = (equation: string, terms: readonly string[], all: readonly Value[]): ReadonlyMap<string, number> => {
  const misfit = (what: string): never => {
    const got = all.map((x) => `[${x.shape.join(", ")}]`).join(", ");
    throw new EngineError(`${equation} of ${got}: ${what}`, { reason: "shape", op: "Einsum" });
  };
  if (terms.length !== all.length) misfit(`the equation has ${terms.length} operands, got ${all.length}`);
  const sizes = new Map<string, number>();
  for (const [i, { shape }] of all.entries()) {
    const term = [...(terms[i] ?? "")];
    if (term.length !== shape.length) misfit(`operand ${i} has ${shape.length} axes`);
    term.forEach((letter, axis) => {
      const size = sizes.get(letter) ?? shape[axis] ?? 1;
      if (!/[A-Za-z]/.test(letter)) misfit(`expected letters, got ${letter}`);
      if (size !== shape[axis]) misfit(`${letter} is ${size} and ${String(shape[axis])}`);
      sizes.set(letter, size);
    });
  }
  return sizes;
};

const einsum: Lowering = (r, inputs, attrs) => {
  const equation = String(attrs["equation"]).replaceAll(/\s/g, "");
  const [from = "", to, ...more] = equation.split("->");
  if (to === undefined || more.length > 0) {
    throw new EngineError(`${equation}: expected one ->`, { reason: "attribute", op: "Einsum" });
  }
  const sizes = lettersOf(equation, from.split(","), inputs.all);
  const shape = [...to].map((letter) => {
    const size = sizes.get(letter);
    if (size !== undefined) return size;
    throw new EngineError(`${equation}: no operand has ${letter}`, { reason: "attribute", op: "Einsum" });
  });
  const type = (inputs.all[0] as Value).type;
  return r.emit("Einsum", inputs.all, { type, shape }, { equation: { text: equation } });
};

/** Matrix products by kernel name. */
export const matmuls: Lowerings = { BatchMatMul: batchMatMul, _FusedMatMul: fusedMatMul, Einsum: einsum };
