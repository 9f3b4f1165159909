/** From files and flags to a whole run configuration. */
import { readFile } from "node:fs/promises";
import { ConfigError, messageOf } from "@r1reward/core";
import type { z } from "zod";
import { keysAt, kindsWith } from "./json-schema.ts";
import { merge, nested } from "./merge.ts";
import { presets, type ConfigObject, type ConfigValue } from "./presets.ts";
import { runSchema, type RunConfig } from "./schema.ts";
import { didYouMean } from "./suggest.ts";
import { readConfigText, readSetting, type ConfigPath, type ConfigText, type Setting } from "./text.ts";

/** What `loadRunConfig` is given. */
export interface ConfigFlags {
  /** YAML or JSON; left out, the preset `preset` alone. */
  readonly config?: string | undefined;
  /** A preset for when there is no file, or one that says nothing of `extends`. */
  readonly preset?: string | undefined;
  /** `a.b=c`, laid over the file. */
  readonly set?: readonly string[] | undefined;
}

const readText = async (file: string): Promise<ConfigText> => {
  try {
    return readConfigText(file, await readFile(file, "utf8"));
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    throw new ConfigError(`--config ${file}: ${messageOf(cause)}`, { cause });
  }
};

const presetNamed = (name: ConfigValue | undefined, where: string): ConfigObject => {
  if (typeof name === "string" && Object.hasOwn(presets, name)) return presets[name] as ConfigObject;
  const known = Object.keys(presets);
  const hint = typeof name === "string" ? didYouMean(name, known) : "";
  throw new ConfigError(`${where}: expected one of ${known.join(", ")}, got ${JSON.stringify(name)}${hint}`);
};

const short = (value: unknown): string => {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}…`;
};

const valueAt = (value: unknown, path: ConfigPath): unknown =>
  path.reduce<unknown>(
    (inner, key) => (typeof inner === "object" && inner !== null ? (inner as Record<string, unknown>)[key] : undefined),
    value,
  );

const TYPES: Readonly<Record<string, string>> = {
  int: "a whole number",
  number: "a number",
  string: "a text",
  boolean: "true or false",
  object: "settings by name",
  array: "a list",
};

/** What was expected, in words. */
const expectation = (issue: z.core.$ZodIssue, got: unknown): string => {
  switch (issue.code) {
    case "invalid_type":
      return `expected ${TYPES[issue.expected] ?? issue.expected}, got ${short(got)}`;
    case "invalid_value": {
      const known = issue.values.map(String);
      return `expected ${known.length === 1 ? "" : "one of "}${known.join(", ")}, got ${short(got)}${typeof got === "string" ? didYouMean(got, known) : ""}`;
    }
    case "too_small":
      if (issue.origin === "string" || issue.origin === "array")
        return `expected at least ${issue.minimum}, got ${short(got)}`;
      return `expected ${issue.inclusive === false ? "above" : "at least"} ${issue.minimum}, got ${short(got)}`;
    case "too_big":
      return `expected at most ${issue.maximum}, got ${short(got)}`;
    case "invalid_union":
      return unionExpectation(issue, got);
    default:
      return issue.message;
  }
};

const unionExpectation = (issue: Extract<z.core.$ZodIssue, { code: "invalid_union" }>, got: unknown): string => {
  const options = issue.errors.flatMap((errors) =>
    errors.flatMap((inner) =>
      inner.path.length === 0
        ? [
            expectation(inner, undefined)
              .replace(/, got nothing.*$/, "")
              .replace(/^expected (one of )?/, ""),
          ]
        : [],
    ),
  );
  const { options: known } = issue as { options?: readonly unknown[] };
  const words = known === undefined ? options : known.map(String);
  return `expected ${words.length === 0 ? "something else" : words.join(" or ")}, got ${short(got)}${typeof got === "string" ? didYouMean(got, words) : ""}`;
};

interface Layers {
  readonly text: ConfigText | undefined;
  readonly settings: readonly Setting[];
  readonly preset: string;
  readonly merged: ConfigValue;
}

const isWithin = (path: ConfigPath, outer: readonly string[]): boolean =>
  outer.every((key, i) => String(path[i]) === key);

/** Where a setting was said: a flag, the file, or nowhere. */
const whereIs = ({ text, settings, preset }: Layers, path: ConfigPath, at: "key" | "value"): string => {
  const flag = settings.findLast((setting) => isWithin(path, setting.path));
  if (flag !== undefined) return `--set ${flag.path.join(".")}`;
  if (text === undefined) return `preset ${preset}`;
  return text.whereIs(path, at);
};

const named = (path: ConfigPath): string => (path.length === 0 ? "" : ` ${path.join(".")}:`);

/** A setting that is not there: of another kind, misspelt, or neither. */
const unknownSetting = (path: ConfigPath, key: string, kind: unknown): string => {
  const others = kindsWith(path, key);
  if (others.length > 0) return `kind ${String(kind)} has no such setting, it is one of kind ${others.join(", ")}`;
  return `there is no such setting${didYouMean(key, keysAt(path, kind))}`;
};

const problemsOf = (layers: Layers, issue: z.core.$ZodIssue): readonly string[] => {
  const path = issue.path as ConfigPath;
  if (issue.code === "unrecognized_keys") {
    const kind = valueAt(layers.merged, [...path, "kind"]);
    return issue.keys.map((key) => {
      const where = whereIs(layers, [...path, key], "key");
      return `${where}:${named([...path, key])} ${unknownSetting(path, key, kind)}`;
    });
  }
  const got = valueAt(layers.merged, path);
  const missing = got === undefined ? `; the preset ${layers.preset} leaves it to you` : "";
  return [`${whereIs(layers, path, "value")}:${named(path)} ${expectation(issue, got)}${missing}`];
};

const validate = (layers: Layers): RunConfig => {
  const { $schema: _schema, extends: _extends, ...run } = layers.merged as ConfigObject;
  const result = runSchema.safeParse(run);
  if (result.success) return result.data;
  const problems = result.error.issues.flatMap((issue) => problemsOf(layers, issue));
  const more = problems.length > 10 ? [`and ${problems.length - 10} more`] : [];
  throw new ConfigError([...problems.slice(0, 10), ...more].join("\n"));
};

/**
 * The configuration of a run: preset, then file, then `--set`, checked as a whole.
 * @throws ConfigError with one line for every problem: `file:line:column: field: expected X, got Y`
 */
export const loadRunConfig = async (flags: ConfigFlags): Promise<RunConfig> => {
  const text = flags.config === undefined ? undefined : await readText(flags.config);
  const settings = (flags.set ?? []).map(readSetting);
  const named = text?.value.extends ?? flags.preset ?? "paper";
  const where = text?.has(["extends"]) === true ? `${text.whereIs(["extends"])}: extends` : "--preset";
  const base = presetNamed(named, where);
  const layers = [text?.value ?? {}, ...settings.map(({ path, value }) => nested(path, value))];
  const merged = layers.reduce<ConfigValue>((under, over) => merge(under, over), base);
  return validate({ text, settings, preset: String(named), merged });
};

/** The configuration of an earlier run, as its folder has it, with `--set` over it. @throws ConfigError */
export const parseRunConfig = (file: string, text: string, set: readonly string[] = []): RunConfig => {
  const read = readConfigText(file, text);
  const settings = set.map(readSetting);
  const merged = settings.reduce<ConfigValue>(
    (under, { path, value }) => merge(under, nested(path, value)),
    read.value,
  );
  return validate({ text: read, settings, preset: "none", merged });
};
