/** Trees of tensors: nested arrays and plain objects. Numbers, strings, booleans, null and undefined are static. */
import { Tensor } from "@tensorflow/tfjs-core";
import { EngineError } from "./errors.ts";
import { isEngineTensor, type EngineTensor, type HostTensor } from "./tensor.ts";

/** What may stand at a leaf of an argument. */
export type Leaf = Tensor | EngineTensor | HostTensor;

/** The structure of a tree as JSON: `*i` is leaf i, `=` a static value, lists and objects nest. */
export type Template =
  | { readonly leaf: number }
  | { readonly is: string | boolean | null | number }
  | { readonly odd: "undefined" | "NaN" | "Infinity" | "-Infinity" | "-0" }
  | { readonly list: readonly Template[] }
  | { readonly object: readonly (readonly [string, Template])[] };

/** A value with its tensors taken out, in a fixed order (object keys sorted). */
export interface Flat<L> {
  readonly leaves: readonly L[];
  readonly template: Template;
  /** What the tree is called where a path begins. */
  readonly name: string;
}

const isHost = (x: object): x is HostTensor =>
  "data" in x && ArrayBuffer.isView(x.data) && "shape" in x && "dtype" in x;

/** Is this a tensor in any of the forms that an argument may have? */
export const isLeaf = (x: unknown): x is Leaf =>
  typeof x === "object" && x !== null && (x instanceof Tensor || isEngineTensor(x) || isHost(x));

const staticOf = (x: unknown): Template | undefined => {
  if (x === undefined) return { odd: "undefined" };
  if (typeof x === "number" && !Number.isFinite(x)) return { odd: String(x) as "NaN" };
  if (Object.is(x, -0)) return { odd: "-0" }; // JSON has no minus before 0
  if (x === null || typeof x === "string" || typeof x === "boolean" || typeof x === "number") return { is: x };
  return undefined;
};

/** What stands where no tree can; its path is put together on the way out, as no other one is needed. */
class Refusal extends Error {
  readonly path: (string | number)[] = [];
  readonly value: unknown;
  /** Does the value hold itself? */
  readonly circular: boolean;
  constructor(value: unknown, circular: boolean) {
    super();
    this.value = value;
    this.circular = circular;
  }
}

/** Leaves so far, and the nodes that the walk is inside of. */
interface Walk {
  readonly leaves: unknown[];
  readonly open: Set<unknown>;
}

const below = (step: string | number, item: unknown, state: Walk): Template => {
  try {
    return walk(item, state);
  } catch (error) {
    if (error instanceof Refusal) error.path.unshift(step);
    throw error;
  }
};

const walk = (x: unknown, state: Walk): Template => {
  if (isLeaf(x)) return { leaf: state.leaves.push(x) - 1 };
  const plain = staticOf(x);
  if (plain !== undefined) return plain;
  const prototype: unknown = typeof x === "object" ? Object.getPrototypeOf(x) : undefined;
  if (!Array.isArray(x) && prototype !== Object.prototype && prototype !== null) throw new Refusal(x, false);
  if (state.open.has(x)) throw new Refusal(x, true);
  state.open.add(x);
  const node = inside(x as object, state);
  state.open.delete(x);
  return node;
};

const inside = (x: object, state: Walk): Template => {
  if (Array.isArray(x)) return { list: x.map((item, i) => below(i, item, state)) };
  const names = Object.keys(x).sort();
  return { object: names.map((name) => [name, below(name, (x as Record<string, unknown>)[name], state)] as const) };
};

const search = (template: Template, leaf: number): readonly (string | number)[] | undefined => {
  if ("leaf" in template) return template.leaf === leaf ? [] : undefined;
  const inner = "list" in template ? template.list.entries() : "object" in template ? template.object : [];
  for (const [step, item] of inner) {
    const found = search(item, leaf);
    if (found !== undefined) return [step, ...found];
  }
  return undefined;
};

/** Where leaf i stands: `state.weights.0`. */
export const pathOf = ({ template, name }: Flat<unknown>, leaf: number): string =>
  [name, ...(search(template, leaf) ?? [])].join(".");

/** The leaves below a node. */
export const leavesIn = (template: Template): readonly number[] => {
  if ("leaf" in template) return [template.leaf];
  if ("list" in template) return template.list.flatMap(leavesIn);
  return "object" in template ? template.object.flatMap(([, item]) => leavesIn(item)) : [];
};

/** The tree that a template describes, around `leaves`. */
export const rebuild = (template: Template, leaves: readonly unknown[]): unknown => {
  if ("leaf" in template) return leaves[template.leaf];
  if ("is" in template) return template.is;
  if ("odd" in template) return template.odd === "undefined" ? undefined : Number(template.odd);
  if ("list" in template) return template.list.map((item) => rebuild(item, leaves));
  return Object.fromEntries(template.object.map(([name, item]) => [name, rebuild(item, leaves)]));
};

const describe = ({ value: x, circular }: Refusal): string => {
  if (circular) return `${Array.isArray(x) ? "an array" : "an object"} that holds itself`;
  if (typeof x === "function") return "a function";
  if (x instanceof Promise) return "a promise";
  if (ArrayBuffer.isView(x)) return `a bare ${x.constructor.name}: wrap it with engine.tensor(data, shape)`;
  return typeof x === "object" && x !== null ? `an instance of ${x.constructor.name}` : typeof x;
};

/**
 * Takes the tensors out of a tree.
 * @throws EngineError `tree` for functions, class instances, promises and what holds itself; `dtype` for bare typed arrays.
 */
export const flatten = <L = Leaf>(tree: unknown, name = "value"): Flat<L> => {
  const leaves: unknown[] = [];
  try {
    return { template: walk(tree, { leaves, open: new Set() }), leaves: leaves as L[], name };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const path = [name, ...error.path].join(".");
    const problem = `${path}: expected a tensor, a plain object, an array or a plain value, got ${describe(error)}`;
    throw new EngineError(problem, { reason: ArrayBuffer.isView(error.value) ? "dtype" : "tree" });
  }
};

/** Applies `f` to every tensor of a tree. */
export const mapTree = (tree: unknown, f: (leaf: Leaf, path: string) => unknown): unknown => {
  const flat = flatten(tree);
  return rebuild(
    flat.template,
    flat.leaves.map((leaf, i) => f(leaf, pathOf(flat, i))),
  );
};
