import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { checkpoint } from "../../ops/index.ts";
import { traceFunction } from "../trace/trace.ts";
import { BYTES, sizeOf, type Graph, type Node } from "./ir.ts";
import { scheduled } from "./schedule.ts";

const LAYERS = 6;

/** A deep stack with its weights' gradient descent, each layer under checkpoint or not. */
const stack = (forget: boolean): Graph => {
  const layer = (x: tf.Tensor, w: tf.Tensor): tf.Tensor =>
    tf.tanh(tf.matMul(tf.sigmoid(tf.tanh(tf.matMul(x, w))), w, false, true));
  const run = forget ? (checkpoint(layer as never) as typeof layer) : layer;
  const fn = (x: tf.Tensor, ...ws: tf.Tensor[]) => {
    const loss = (...all: tf.Tensor[]) => tf.sum(all.reduce((y, w) => run(y, w), x)) as tf.Scalar;
    const grads = tf.grads(loss as never)(ws);
    // the first layer's update is made last: there ONNX Runtime begins
    return [...grads.keys()].reverse().map((i) => tf.sub(ws[i] as tf.Tensor, tf.mul(grads[i] as tf.Tensor, 0.1)));
  };
  const specs = [[512, 16], ...Array.from({ length: LAYERS }, () => [16, 64])];
  return traceFunction(
    fn as never,
    specs.map((shape) => ({ shape, dtype: "float32" as const })),
    { list: specs.map((_, leaf) => ({ leaf })) },
  ).graph;
};

/** ONNX Runtime's order: depth first from nodes nothing consumes, last in the file first; inputs made last come first. */
const runtimeOrder = (graph: Graph): Node[] => {
  const makers = new Map(graph.nodes.flatMap((node, i) => node.outputs.map((o) => [o.id, i] as const)));
  const consumed = new Set(graph.nodes.flatMap((node) => node.inputs.map((input) => input?.id)));
  const [order, done]: [Node[], Set<number>] = [[], new Set()];
  const visit = (at: number): void => {
    if (done.has(at)) return;
    done.add(at);
    const node = graph.nodes[at] as Node;
    const inputs = node.inputs.flatMap((input) => makers.get(input?.id ?? -1) ?? []).sort((a, b) => b - a);
    inputs.forEach(visit);
    order.push(node);
  };
  for (let i = graph.nodes.length - 1; i >= 0; i--)
    if ((graph.nodes[i] as Node).outputs.every((o) => !consumed.has(o.id))) visit(i);
  return order;
};

/** Most bytes of intermediate values alive at a time. */
const peak = (order: readonly Node[]): number => {
  const last = new Map(order.flatMap((node, i) => node.inputs.map((input) => [input?.id, i] as const)));
  const held = new Map<number, number>();
  let [live, most] = [0, 0];
  order.forEach((node, i) => {
    for (const o of node.outputs) held.set(o.id, sizeOf(o.shape) * BYTES[o.type]);
    live = [...held.values()].reduce((sum, bytes) => sum + bytes, 0);
    most = Math.max(most, live);
    for (const id of [...held.keys()]) if ((last.get(id) ?? i) <= i) held.delete(id);
  });
  return most;
};

describe("scheduled", () => {
  it.each([true, false])("keeps every node once, after what it needs (checkpoint %s)", (forget) => {
    const graph = stack(forget);
    const { nodes } = scheduled(graph);
    expect(new Set(nodes)).toEqual(new Set(graph.nodes));
    expect(nodes).toHaveLength(graph.nodes.length);
    const made = new Set(graph.inputs.map((value) => value.id));
    for (const node of nodes) {
      for (const input of node.inputs)
        if (input !== null && input.data === undefined) expect(made.has(input.id), node.label).toBe(true);
      for (const output of node.outputs) made.add(output.id);
    }
  });

  it("lets checkpointing save what it is for: activations of one layer, not of all", () => {
    const asTraced = peak(runtimeOrder(stack(true)));
    const arranged = peak(runtimeOrder(scheduled(stack(true))));
    const without = peak(runtimeOrder(scheduled(stack(false))));
    expect(arranged).toBeLessThan(0.6 * asTraced);
    expect(arranged).toBeLessThan(0.6 * without);
  });

  it("changes nothing about a graph of one result", () => {
    const x = { id: 0, type: "float32" as const, shape: [2] };
    const y = { id: 1, type: "float32" as const, shape: [2] };
    const node = { op: "Neg", inputs: [x], outputs: [y], attributes: {}, label: "Neg" };
    expect(scheduled({ inputs: [x], outputs: [y], nodes: [node] })).toEqual({
      inputs: [x],
      outputs: [y],
      nodes: [node],
    });
  });
});
