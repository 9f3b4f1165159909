/**
 * Mixed precision as a graph pass: matrix products in 16 bits, all else in float32 (arXiv 1710.03740 without loss scaling:
 * gradients below 6e-8 vanish in float16, so scale the loss there, or use bfloat16).
 */
import type { Graph, Node, Value } from "./ir.ts";

/** Type of matrix products. */
export type Precision = "float32" | "float16" | "bfloat16";

const CODE = { float16: 10, bfloat16: 16 } as const;
const PRODUCTS = new Set(["MatMul", "Einsum", "Gemm"]);

const highest = (graph: Graph): number => {
  const values = [
    ...graph.inputs,
    ...graph.outputs,
    ...graph.nodes.flatMap((node) => [...node.outputs, ...node.inputs]),
  ];
  return values.reduce((most, value) => Math.max(most, value?.id ?? 0), 0);
};

/** The graph with its matrix products in another precision; float32 gives the same graph back. */
export const withPrecision = (graph: Graph, precision: Precision): Graph => {
  if (precision === "float32") return graph;
  let next = highest(graph);
  const nodes: Node[] = [];
  const narrowed = new Map<number, Value>();
  const castTo = (from: Value, to: Value): void => {
    const code = to.type === "float32" ? 1 : CODE[precision];
    nodes.push({ op: "Cast", inputs: [from], outputs: [to], attributes: { to: { int: code } }, label: "Precision" });
  };
  const narrow = (value: Value | null): Value | null => {
    if (value?.type !== "float32") return value;
    const known = narrowed.get(value.id);
    if (known !== undefined) return known;
    next += 1;
    const made: Value = { id: next, type: precision, shape: value.shape };
    narrowed.set(value.id, made);
    castTo(value, made);
    return made;
  };
  for (const node of graph.nodes) {
    const [output] = node.outputs;
    if (!PRODUCTS.has(node.op) || output?.type !== "float32") {
      nodes.push(node);
      continue;
    }
    next += 1;
    const product: Value = { id: next, type: precision, shape: output.shape };
    nodes.push({ ...node, inputs: node.inputs.map(narrow), outputs: [product] });
    castTo(product, output);
  }
  return { ...graph, nodes };
};
