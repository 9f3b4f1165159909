/**
 * Patterns that ONNX Runtime has one kernel for, and that its own optimizer misses or ends badly.
 *
 * - A product with a transposed matrix, and what is added to it: one `Gemm`. Left as `Transpose`, `MatMul` and `Add`, ONNX Runtime (1.30)
 *   joins the product and the addition first and is left with a transposition of the weights in every step.
 * - RMSNorm forward, where no gradient needs its parts: one `SimplifiedLayerNormalization` instead of seven nodes.
 * - Rows of a 16-bit table that stays in its file: they are gathered first and widened then, not the other way round.
 */
import { sameShape, type Attribute, type Graph, type Node, type Value } from "./ir.ts";

/** Who makes a value, and how often it is used; outputs count. */
interface Uses {
  readonly maker: (value: Value | null | undefined) => Node | undefined;
  readonly count: (value: Value | null | undefined) => number;
}

const usesOf = ({ nodes, outputs }: Graph): Uses => {
  const makers = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output.id, node] as const)));
  const counts = new Map<number, number>();
  const used = [...nodes.flatMap(({ inputs }) => inputs), ...outputs];
  for (const value of used) if (value !== null) counts.set(value.id, (counts.get(value.id) ?? 0) + 1);
  return {
    maker: (value) => (value === undefined || value === null ? undefined : makers.get(value.id)),
    count: (value) => (value === undefined || value === null ? 0 : (counts.get(value.id) ?? 0)),
  };
};

/** The node that makes `value`, if it is an `op` and nothing else uses the value. */
const only = (uses: Uses, value: Value | null | undefined, op: string): Node | undefined => {
  const node = uses.maker(value);
  return node?.op === op && uses.count(value) === 1 ? node : undefined;
};

const isMatrix = (value: Value | null | undefined): value is Value =>
  value?.shape.length === 2 && value.type === "float32";

/** What a transposed matrix was before, and whether it was one. */
const untransposed = (uses: Uses, value: Value): readonly [Value, boolean] => {
  const node = uses.maker(value);
  const [before] = node?.inputs ?? [];
  return node?.op === "Transpose" && isMatrix(before) ? [before, true] : [value, false];
};

interface Product {
  readonly inputs: readonly Value[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** A `MatMul` of matrices of which at least one is transposed. */
const productOf = (uses: Uses, node: Node | undefined): Product | undefined => {
  const [a, b] = node?.inputs ?? [];
  if (node?.op !== "MatMul" || !isMatrix(a) || !isMatrix(b)) return undefined;
  const [[left, transA], [right, transB]] = [untransposed(uses, a), untransposed(uses, b)];
  if (!transA && !transB) return undefined;
  return { inputs: [left, right], attributes: { transA: { int: Number(transA) }, transB: { int: Number(transB) } } };
};

const gemm = (node: Node, { attributes }: Product, inputs: readonly Value[]): Node => ({
  ...node,
  op: "Gemm",
  inputs,
  attributes,
});

/** A product plus a row or a matrix of its own shape; `Gemm` spreads what is added, never the product. */
const addition = (uses: Uses, node: Node): Node | undefined => {
  const [output] = node.outputs;
  if (node.op !== "Add" || !isMatrix(output)) return undefined;
  for (const [at, value] of node.inputs.entries()) {
    const product = productOf(uses, only(uses, value, "MatMul"));
    const other = node.inputs[1 - at];
    if (product === undefined || other === undefined || other === null || other.type !== "float32") continue;
    const row = other.shape.length === 1 && other.shape[0] === output.shape[1];
    const fits = value !== null && sameShape(value.shape, output.shape);
    if (fits && (row || sameShape(other.shape, output.shape))) return gemm(node, product, [...product.inputs, other]);
  }
  return undefined;
};

const lonely = (uses: Uses, node: Node): Node | undefined => {
  const product = productOf(uses, node);
  return product === undefined ? undefined : gemm(node, product, product.inputs);
};

/** `x` and ε of 1 / √(mean(x²) + ε) along the last axis, if that is what makes `value`. */
const inverseRms = (uses: Uses, value: Value | null | undefined): readonly [Value, number] | undefined => {
  const root = only(uses, only(uses, value, "Reciprocal")?.inputs[0], "Sqrt");
  const sum = only(uses, root?.inputs[0], "Add");
  const [meanOut, epsilon] = sum?.inputs ?? [];
  const mean = only(uses, meanOut, "ReduceMean");
  const square = only(uses, mean?.inputs[0], "Mul");
  const [x, same] = square?.inputs ?? [];
  if (x === undefined || x === null || x.id !== same?.id || epsilon?.splat === undefined) return undefined;
  const rows = [...x.shape.slice(0, -1), 1];
  return meanOut?.shape.join() === rows.join() ? [x, epsilon.splat] : undefined;
};

/** (x · 1/√(mean(x²) + ε)) · gain. */
const rmsNorm = (uses: Uses, node: Node): Node | undefined => {
  const [unit, gain] = node.inputs;
  const scaled = node.op === "Mul" ? only(uses, unit, "Mul") : undefined;
  const [x, inverse] = scaled?.inputs ?? [];
  const found = inverseRms(uses, inverse);
  if (found === undefined || found[0].id !== x?.id || gain?.shape.length !== 1) return undefined;
  // An epsilon of more axes spreads the result; a row of no elements is no input that ONNX Runtime's kernel takes.
  const [output] = node.outputs;
  if (x.type !== "float32" || output === undefined || !sameShape(output.shape, x.shape)) return undefined;
  if (gain.shape[0] !== x.shape.at(-1) || gain.shape[0] === 0) return undefined;
  const attributes = { axis: { int: -1 }, epsilon: { float: found[1] }, stash_type: { int: 1 } };
  return { ...node, op: "SimplifiedLayerNormalization", inputs: [x, gain], attributes };
};

/** `Gather` of a widened table: two nodes that widen the rows alone. */
const gatheredFirst = (uses: Uses, node: Node, fresh: () => number): readonly Node[] | undefined => {
  const [table, ...rest] = node.inputs;
  const cast = node.op === "Gather" ? uses.maker(table) : undefined;
  const [stored] = cast?.inputs ?? [];
  const [output] = node.outputs;
  if (cast?.op !== "Cast" || stored?.external === undefined || output === undefined) return undefined;
  const rows: Value = { id: fresh(), type: stored.type, shape: output.shape };
  return [
    { ...node, inputs: [stored, ...rest], outputs: [rows] },
    { ...cast, inputs: [rows], outputs: [output] },
  ];
};

/** Ids that no value has. */
const freshIds = ({ nodes }: Graph): (() => number) => {
  let last = nodes.reduce((most, { outputs }) => outputs.reduce((max, { id }) => Math.max(max, id), most), 0);
  for (const { inputs } of nodes) for (const input of inputs) last = Math.max(last, input?.id ?? 0);
  return () => ++last;
};

/** Nodes that an output depends on, in their order. */
export const needed = (nodes: readonly Node[], outputs: readonly Value[]): Node[] => {
  const wanted = new Set(outputs.map((value) => value.id));
  const kept: Node[] = [];
  for (const node of [...nodes].reverse()) {
    if (!node.outputs.some((output) => wanted.has(output.id))) continue;
    kept.push(node);
    for (const input of node.inputs) if (input !== null) wanted.add(input.id);
  }
  return kept.reverse();
};

/** The same graph with fewer nodes. Products in 16 bits stay as they are. */
export const fused = (graph: Graph): Graph => {
  const uses = usesOf(graph);
  const fresh = freshIds(graph);
  const nodes = graph.nodes.flatMap(
    (node) =>
      gatheredFirst(uses, node, fresh) ?? rmsNorm(uses, node) ?? addition(uses, node) ?? lonely(uses, node) ?? node,
  );
  return { ...graph, nodes: needed(nodes, graph.outputs) };
};
