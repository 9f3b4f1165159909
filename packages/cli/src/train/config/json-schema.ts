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

/** Names that may stand at a path. */
export const keysAt = (path: readonly (string | number)[]): readonly string[] => {
  let nodes: readonly SchemaNode[] = [fileSchema()];
  for (const key of path) {
    const spread = nodes.flatMap((node) => [node, ...alternatives(node)]);
    nodes = spread.flatMap((node) => {
      const next = node.properties?.[String(key)];
      return next === undefined ? [] : [next];
    });
  }
  const spread = nodes.flatMap((node) => [node, ...alternatives(node)]);
  return [...new Set(spread.flatMap((node) => Object.keys(node.properties ?? {})))];
};
