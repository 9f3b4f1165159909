/**
 * Builds a graph node by node. Equal nodes are recorded once (common subexpressions), equal constants are one constant,
 * and a constant whose elements are all one number stays a number until someone needs it spread out.
 */
import { EngineError } from "../errors.ts";
import { needed } from "../onnx/fuse.ts";
import {
  sizeOf,
  type Attribute,
  type Data,
  type FileSpan,
  type Graph,
  type Node,
  type Value,
  type ValueType,
} from "../onnx/ir.ts";
import { checkTypes } from "./types.ts";

/** dtype and shape of a value to be made. */
export interface Spec {
  readonly type: ValueType;
  readonly shape: readonly number[];
}

/** What kernels lower into. */
export interface Recorder {
  /** The kernel being lowered, for names and errors. */
  label: string;
  readonly input: (spec: Spec) => Value;
  /** A value that stays in its file. */
  readonly external: (spec: Spec, where: FileSpan) => Value;
  readonly constant: (data: Data, spec: Spec) => Value;
  /** All elements one number, `[…shape]`. */
  readonly splat: (value: number, spec: Spec) => Value;
  /** One node with one output. */
  readonly emit: (op: string, inputs: readonly (Value | null)[], out: Spec, attributes?: Attributes) => Value;
  /** One node with several outputs. */
  readonly emitMany: (
    op: string,
    inputs: readonly (Value | null)[],
    outs: readonly Spec[],
    attributes?: Attributes,
  ) => Value[];
  /** Notes that `whole` only repeats `part`. */
  readonly repeated: (whole: Value, part: Value) => Value;
  /** The finished graph, without nodes that no output needs. */
  readonly finish: (inputs: readonly Value[], outputs: readonly Value[]) => Graph;
}

/** Attributes of one node. */
export type Attributes = Readonly<Record<string, Attribute>>;

const CONTENT_KEY_BYTES = 1024;

const typed = (value: number, type: ValueType): Data => {
  switch (type) {
    case "float32":
      return Float32Array.of(value);
    case "int32":
      return Int32Array.of(value);
    case "bool":
      return Uint8Array.of(value === 0 ? 0 : 1);
    case "int64":
      return BigInt64Array.of(BigInt(value));
    case "float64":
      return Float64Array.of(value);
    case "float16":
    case "bfloat16":
      throw new EngineError("16-bit values are made by the precision pass", { reason: "dtype" });
  }
};

const bytesOf = (data: Data): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** The one number of a uniform array. Bit patterns are compared by `Object.is`, so −0 and NaN keep their meaning. */
const uniform = (data: Data): number | undefined => {
  const first = data[0];
  if (first === undefined) return undefined;
  for (let i = 1; i < data.length; i++) if (!Object.is(data[i], first)) return undefined;
  return Number(first);
};

const constantPool = (fresh: (spec: Spec, known: Partial<Value>) => Value) => {
  const pool = new Map<string, Value>();
  return (data: Data, spec: Spec): Value => {
    const same = uniform(data);
    const known = { data, ...(same === undefined ? {} : { splat: same }) };
    if (data.byteLength > CONTENT_KEY_BYTES) return fresh(spec, known);
    const key = `${spec.type}|${spec.shape.join(",")}|${bytesOf(data).join(",")}`;
    const made = pool.get(key) ?? fresh(spec, known);
    pool.set(key, made);
    return made;
  };
};

interface Draft {
  readonly node: Omit<Node, "outputs" | "label">;
  readonly outs: readonly Spec[];
  readonly known?: Partial<Value>;
}

const keyOf = ({ node, outs }: Draft): string => {
  const ids = node.inputs.map((input) => input?.id ?? "").join(",");
  return `${node.op}|${ids}|${JSON.stringify(node.attributes)}|${outs[0]?.type}|${outs[0]?.shape.join(",")}`;
};

/** Records nodes, each different one once. */
const nodeList = (label: () => string, fresh: (spec: Spec, known?: Partial<Value>) => Value) => {
  const nodes: Node[] = [];
  const seen = new Map<string, readonly Value[]>();
  const record = (draft: Draft): Value[] => {
    const key = keyOf(draft);
    const before = seen.get(key);
    if (before !== undefined) return [...before];
    const outputs = draft.outs.map((spec) => fresh(spec, draft.known));
    nodes.push({ ...draft.node, outputs, label: label() });
    seen.set(key, outputs);
    return outputs;
  };
  return { nodes, record };
};

/** An empty graph. */
export const recorder = (): Recorder => {
  let next = 0;
  const fresh = (spec: Spec, known: Partial<Value> = {}): Value => {
    const id = next;
    next += 1;
    return { ...known, id, type: spec.type, shape: spec.shape };
  };
  const { nodes, record } = nodeList(() => self.label, fresh);
  const constant = constantPool(fresh);
  const splat = (value: number, spec: Spec): Value => {
    const size = sizeOf(spec.shape);
    if (size <= 1) return constant(size === 0 ? typed(0, spec.type).slice(1) : typed(value, spec.type), spec);
    const one = constant(typed(value, spec.type), { type: spec.type, shape: [] });
    const dims = constant(BigInt64Array.from(spec.shape, BigInt), { type: "int64", shape: [spec.shape.length] });
    const node = { op: "Expand", inputs: [one, dims], attributes: {} };
    return record({ node, outs: [spec], known: { splat: value } })[0] as Value;
  };
  // Values of no elements need no node. Several of ONNX Runtime's kernels fail on them, TopK with the whole process.
  const emitMany: Recorder["emitMany"] = (op, inputs, outs, attributes = {}) => {
    checkTypes(op, inputs, self.label);
    if (outs.every(({ shape }) => sizeOf(shape) === 0)) return outs.map((spec) => splat(0, spec));
    return record({ node: { op, inputs, attributes }, outs });
  };
  const self: Recorder = {
    label: "graph",
    input: (spec) => fresh(spec),
    external: (spec, external) => fresh(spec, { external }),
    constant,
    splat,
    emit: (op, inputs, out, attributes) => emitMany(op, inputs, [out], attributes)[0] as Value,
    emitMany,
    repeated: (whole, part) => ({ ...whole, repeats: part.repeats ?? part }),
    finish: (inputs, outputs) => ({ inputs, outputs, nodes: needed(nodes, outputs) }),
  };
  return self;
};
