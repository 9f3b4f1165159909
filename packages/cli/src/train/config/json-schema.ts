/** The published JSON schema of configuration files: what editors complete and check with. */
import { z } from "zod";
import { presets } from "./presets.ts";
import { runSchema } from "./schema.ts";

/** A node of a JSON schema, as far as it is read here. */
export interface SchemaNode {
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly oneOf?: readonly SchemaNode[];
  readonly anyOf?: readonly SchemaNode[];
  readonly required?: readonly string[];
  readonly [key: string]: unknown;
}

/** A file need not say what its preset says: nothing is required, and alternatives may then fit more than once. */
const relaxed = (node: unknown): unknown => {
  if (Array.isArray(node)) return node.map(relaxed);
  if (typeof node !== "object" || node === null) return node;
  const { required: _required, oneOf, ...rest } = node as SchemaNode;
  const all = oneOf === undefined ? rest : { ...rest, anyOf: oneOf };
  return Object.fromEntries(Object.entries(all).map(([key, value]) => [key, relaxed(value)]));
};

/** The schema of files. */
export const fileSchema = (): SchemaNode => {
  const { properties, ...rest } = relaxed(z.toJSONSchema(runSchema)) as SchemaNode;
  return {
    ...rest,
    title: "A training run of r1reward",
    properties: {
      $schema: { type: "string", description: "this schema, for editors" },
      extends: {
        enum: Object.keys(presets),
        default: "paper",
        description: "the preset whose values hold where this file says nothing",
      },
      ...properties,
    },
  };
};

const alternatives = (node: SchemaNode): readonly SchemaNode[] =>
  [...(node.oneOf ?? []), ...(node.anyOf ?? [])].flatMap((inner) => [inner, ...alternatives(inner)]);

/** Everything that may stand at a path: a setting of several kinds has an alternative for each. */
const nodesAt = (path: readonly (string | number)[]): readonly SchemaNode[] => {
  let nodes: readonly SchemaNode[] = [fileSchema()];
  for (const key of path) {
    const spread = nodes.flatMap((node) => [node, ...alternatives(node)]);
    nodes = spread.flatMap((node) => {
      const next = node.properties?.[String(key)];
      return next === undefined ? [] : [next];
    });
  }
  return nodes.flatMap((node) => [node, ...alternatives(node)]);
};

const kindOf = ({ properties }: SchemaNode): unknown => properties?.kind?.const;

/** Names that may stand at a path; with a kind, those of its alternative alone. */
export const keysAt = (path: readonly (string | number)[], kind?: unknown): readonly string[] => {
  const nodes = nodesAt(path);
  const own = nodes.filter((node) => kind !== undefined && kindOf(node) === kind);
  return [...new Set((own.length > 0 ? own : nodes).flatMap((node) => Object.keys(node.properties ?? {})))];
};

/** The kinds of a path whose alternatives have a setting. */
export const kindsWith = (path: readonly (string | number)[], key: string): readonly string[] =>
  nodesAt(path)
    .filter(
      (node) => kindOf(node) !== undefined && node.properties !== undefined && Object.hasOwn(node.properties, key),
    )
    .map((node) => String(kindOf(node)));
