/**
 * Graph → ONNX ModelProto. Field numbers are those of onnx.proto (IR version 8, opset 18); the names in comments too.
 * Constants stay inside the file, frozen weights in theirs; a model over protobuf's 2 GB limit is refused with the name of what made it so.
 */
import { EngineError } from "../errors.ts";
import type { Attribute, FileSpan, Graph, Node, Value, ValueType } from "./ir.ts";
import { bytes, float, int, join, message, text, type Rope } from "./proto.ts";

/** ONNX operator set that all lowerings are written for. */
export const OPSET = 18;
const IR_VERSION = 8;
/** protobuf refuses messages of 2 GiB and more. */
export const MODEL_LIMIT_BYTES = 2 ** 31 - 1;

const DATA_TYPE: Readonly<Record<ValueType, number>> = {
  float32: 1,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  bfloat16: 16,
};

const rawBytes = (value: Value): Uint8Array => {
  if (value.data === undefined) throw new EngineError("a constant without data", { reason: "bad-graph" });
  return new Uint8Array(value.data.buffer, value.data.byteOffset, value.data.byteLength);
};

// external_data 13 { key 1, value 2 }, data_location 14 (EXTERNAL is 1); locations are relative to the folder
const externalFields = (span: FileSpan, folder: string): Rope[] => [
  ...Object.entries({ location: relativeTo(folder, span.path), offset: span.offset, length: span.length }).map(
    ([key, value]) => message(13, [text(1, key), text(2, String(value))]),
  ),
  int(14, 1),
];

// TensorProto: dims 1, data_type 2, name 8, raw_data 9
const tensor = (value: Value, name: string, folder = ""): Rope[] => [
  ...value.shape.map((n) => int(1, n)),
  int(2, DATA_TYPE[value.type]),
  text(8, name),
  ...(value.external === undefined ? [bytes(9, rawBytes(value))] : externalFields(value.external, folder)),
];

// ValueInfoProto: name 1, type 2 { tensor_type 1 { elem_type 1, shape 2 { dim 1 { dim_value 1 } } } }
const valueInfo = (value: Value, name: string): Rope[] => [
  text(1, name),
  message(2, [
    message(1, [int(1, DATA_TYPE[value.type]), message(2, [...value.shape.map((n) => message(1, [int(1, n)]))])]),
  ]),
];

// AttributeProto: name 1, f 2, i 3, s 4, t 5, ints 8, type 20
const attribute = (name: string, value: Attribute): Rope[] => {
  if ("int" in value) return [text(1, name), int(3, value.int), int(20, 2)];
  if ("float" in value) return [text(1, name), float(2, value.float), int(20, 1)];
  if ("text" in value) return [text(1, name), text(4, value.text), int(20, 3)];
  if ("ints" in value) return [text(1, name), ...value.ints.map((n) => int(8, n)), int(20, 7)];
  return [text(1, name), message(5, tensor(value.tensor, name)), int(20, 4)];
};

const isKnown = (value: Value): boolean => value.data !== undefined || value.external !== undefined;

const slashes = (path: string): string => path.replaceAll("\\", "/");

const relativeTo = (folder: string, path: string): string => slashes(path).slice(slashes(folder).length + 1);

/** The deepest folder that holds every file the graph reads; `undefined` when it reads none. */
export const folderOf = (graph: Graph): string | undefined => {
  const paths = constantsOf(graph).flatMap((value) => (value.external === undefined ? [] : [value.external.path]));
  const [first, ...rest] = paths.map((path) => slashes(path).split("/").slice(0, -1));
  if (first === undefined) return undefined;
  const differs = first.findIndex((part, i) => rest.some((other) => other[i] !== part));
  return (differs < 0 ? first : first.slice(0, differs)).join("/");
};

const constantsOf = (graph: Graph): Value[] => {
  const seen = new Map<number, Value>();
  for (const one of graph.nodes) {
    for (const input of one.inputs) if (input !== null && isKnown(input)) seen.set(input.id, input);
  }
  for (const output of graph.outputs) if (isKnown(output)) seen.set(output.id, output);
  return [...seen.values()];
};

/** Names of the graph's inputs and outputs, in order: `i0`, `i1`, …; `o0`, `o1`, …. */
export const inputName = (index: number): string => `i${index}`;
/** See `inputName`. */
export const outputName = (index: number): string => `o${index}`;

type Names = ReadonlyMap<number, string>;

const nameOf = (names: Names, value: Value): string => names.get(value.id) ?? `v${value.id}`;

/** Inputs and outputs by their public names. An output that is an input, a constant or a repetition gets an Identity. */
const namesOf = (graph: Graph): { names: Names; copies: Rope[] } => {
  const names = new Map(graph.inputs.map((value, i) => [value.id, inputName(i)]));
  const made = new Set(graph.nodes.flatMap((one) => one.outputs.map((output) => output.id)));
  const copied: [Value, number][] = [];
  graph.outputs.forEach((value, i) => {
    if (made.has(value.id) && !names.has(value.id)) names.set(value.id, outputName(i));
    else copied.push([value, i]);
  });
  const copies = copied.map(([value, i]) =>
    message(1, [text(1, nameOf(names, value)), text(2, outputName(i)), text(4, "Identity")]),
  );
  return { names, copies };
};

// NodeProto: input 1, output 2, name 3, op_type 4, attribute 5
const node = (one: Node, index: number, names: Names): Rope[] => [
  ...one.inputs.map((input) => text(1, input === null ? "" : nameOf(names, input))),
  ...one.outputs.map((output) => text(2, nameOf(names, output))),
  text(3, `${one.label}_${index}`),
  text(4, one.op),
  ...Object.entries(one.attributes).map(([name, value]) => message(5, attribute(name, value))),
];

/** What a model file says beside its graph. */
export interface ModelOptions {
  readonly name: string;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** Adds the output `SENTINEL`, an empty sequence, before all others: see runtime/session.ts. */
  readonly sentinel?: boolean | undefined;
}

/** Name of the sentinel output. */
export const SENTINEL = "done";

// TypeProto: sequence_type 4 { elem_type 1 { tensor_type 1 { elem_type 1 } } }; SequenceEmpty's dtype is an attribute
const sentinelNode = (): Rope =>
  message(1, [text(2, SENTINEL), text(4, "SequenceEmpty"), message(5, attribute("dtype", { int: 1 }))]);
const sentinelInfo = (): Rope =>
  message(12, [text(1, SENTINEL), message(2, [message(4, [message(1, [message(1, [int(1, 1)])])])])]);

/**
 * The bytes of a `.onnx` file.
 * @throws EngineError `too-large` when it would pass 2 GB, naming the largest constant's shape.
 */
export const toModel = (graph: Graph, options: ModelOptions): Uint8Array => {
  const { name, metadata = {}, sentinel = false } = options;
  const constants = constantsOf(graph);
  const total = constants.reduce((sum, value) => sum + (value.data?.byteLength ?? 0), 0);
  if (total >= MODEL_LIMIT_BYTES - 2 ** 24) throw tooLarge(name, total, constants);
  const { names, copies } = namesOf(graph);
  const folder = folderOf(graph);
  // An initializer that is an input too could be replaced by a caller, so ONNX Runtime must leave it as it is. Otherwise it would
  // fold casts and transposes of it and pack it for matrix products: a second copy of the weights, in memory, for every graph.
  const frozen = constants.filter((value) => value.external !== undefined);
  // GraphProto: node 1, name 2, initializer 5, input 11, output 12
  const body = [
    ...graph.nodes.map((one, i) => message(1, node(one, i, names))),
    ...copies,
    ...(sentinel ? [sentinelNode()] : []),
    text(2, name),
    ...constants.map((value) => message(5, tensor(value, nameOf(names, value), folder))),
    ...graph.inputs.map((value, i) => message(11, valueInfo(value, inputName(i)))),
    ...frozen.map((value) => message(11, valueInfo(value, nameOf(names, value)))),
    ...(sentinel ? [sentinelInfo()] : []),
    ...graph.outputs.map((value, i) => message(12, valueInfo(value, outputName(i)))),
  ];
  // ModelProto: ir_version 1, producer_name 2, graph 7, opset_import 8 { domain 1, version 2 }, metadata_props 14
  const whole = message(0, [
    int(1, IR_VERSION),
    text(2, "@r1reward/stablereinforce"),
    message(7, body),
    message(8, [text(1, ""), int(2, OPSET)]),
    ...Object.entries(metadata).map(([key, value]) => message(14, [text(1, key), text(2, value)])),
  ]);
  const parts = whole.parts.slice(1); // the outermost message has no tag of its own
  return join({ size: parts.reduce((sum, part) => sum + part.byteLength, 0), parts });
};

const tooLarge = (name: string, total: number, constants: readonly Value[]): EngineError => {
  const largest = constants.reduce((a, b) => ((a.data?.byteLength ?? 0) >= (b.data?.byteLength ?? 0) ? a : b));
  const gigabytes = (total / 2 ** 30).toFixed(2);
  return new EngineError(
    `graph ${name} holds ${gigabytes} GiB of constants (largest: [${largest.shape.join(", ")}]), and a model file ` +
      "must stay below 2 GiB: pass weights as arguments instead of capturing them",
    { reason: "too-large" },
  );
};
