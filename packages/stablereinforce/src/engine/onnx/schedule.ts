/**
 * The order in which ONNX Runtime runs a graph, arranged so that what is no longer needed goes early.
 *
 * ONNX Runtime does not run nodes in the order of the file. It starts from nodes that nothing consumes, the last one in the file first,
 * and runs what each of them needs. In a training step these are the updates of the parameters. Were the first layer's update
 * the first, the whole backward pass would run for it, while every other layer's weight gradient waits, with its activations. So the
 * updates stand in the file by how much they need, most first: the last layer's gradient, update and activations are then done
 * with before the layer below begins.
 */
import type { Graph, Node } from "./ir.ts";

const byOutput = (nodes: readonly Node[]): Map<number, number> =>
  new Map(nodes.flatMap((node, i) => node.outputs.map((output) => [output.id, i] as const)));

/** How many nodes a node needs, itself counted. */
const needs = (nodes: readonly Node[], makers: Map<number, number>, from: number): number => {
  const seen = new Set([from]);
  const todo = [from];
  for (let at = todo.pop(); at !== undefined; at = todo.pop()) {
    for (const input of nodes[at]?.inputs ?? []) {
      const maker = input === null ? undefined : makers.get(input.id);
      if (maker === undefined || seen.has(maker)) continue;
      seen.add(maker);
      todo.push(maker);
    }
  }
  return seen.size;
};

/** The same graph, the nodes that nothing consumes at its end, those that need most first. */
export const scheduled = (graph: Graph): Graph => {
  const consumed = new Set(graph.nodes.flatMap((node) => node.inputs.map((input) => input?.id)));
  const makers = byOutput(graph.nodes);
  const isLast = (node: Node): boolean => node.outputs.every((output) => !consumed.has(output.id));
  const last = graph.nodes.flatMap((node, i) => (isLast(node) ? [{ node, size: needs(graph.nodes, makers, i) }] : []));
  last.sort((a, b) => b.size - a.size);
  return { ...graph, nodes: [...graph.nodes.filter((node) => !isLast(node)), ...last.map(({ node }) => node)] };
};
