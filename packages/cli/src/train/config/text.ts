/** A configuration file as text: what it says, and where it says it. */
import { ConfigError } from "@r1reward/core";
import { isMap, isPair, isScalar, LineCounter, parse, parseDocument, type Document } from "yaml";
import type { ConfigObject, ConfigValue } from "./presets.ts";

/** A path of keys and indices. */
export type ConfigPath = readonly (string | number)[];

/** A file that was read. */
export interface ConfigText {
  readonly file: string;
  readonly value: ConfigObject;
  /** `file:line:column` of what stands at a path, or of the nearest thing around it. `key`: of its key instead. */
  readonly whereIs: (path: ConfigPath, at?: "key" | "value") => string;
  /** Does the file itself say something at this path? */
  readonly has: (path: ConfigPath) => boolean;
}

const keyOffset = (document: Document, path: ConfigPath): number | undefined => {
  const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
  if (!isMap(parent)) return undefined;
  const pair = parent.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === path.at(-1));
  return isScalar(pair?.key) ? pair.key.range?.[0] : undefined;
};

const valueOffset = (document: Document, path: ConfigPath): number | undefined => {
  const node = document.getIn(path, true) as { range?: readonly [number, number, number] | null } | undefined;
  return node?.range?.[0] ?? undefined;
};

const isObject = (value: unknown): value is ConfigObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Reads YAML, and JSON, which is YAML.
 * @throws ConfigError naming file, line and column of what cannot be read
 */
export const readConfigText = (file: string, text: string): ConfigText => {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false });
  const place = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const [error] = document.errors;
  if (error !== undefined) throw new ConfigError(`${place(error.pos[0])}: ${error.message}`);
  const value = (document.toJS({ maxAliasCount: 100 }) ?? {}) as ConfigValue;
  if (!isObject(value)) throw new ConfigError(`${file}:1:1: expected settings by name, got ${JSON.stringify(value)}`);
  const whereIs: ConfigText["whereIs"] = (path, at = "value") => {
    for (let length = path.length; length > 0; length--) {
      const part = path.slice(0, length);
      const own = length === path.length && at === "value" ? valueOffset(document, part) : undefined;
      const offset = own ?? keyOffset(document, part);
      if (offset !== undefined) return place(offset);
    }
    return `${file}:1:1`;
  };
  return { file, value, whereIs, has: (path) => document.hasIn(path) };
};

/** One `--set a.b=c`. */
export interface Setting {
  readonly path: readonly string[];
  readonly value: ConfigValue;
}

const plain = (text: string): ConfigValue => {
  try {
    return parse(text) as ConfigValue;
  } catch {
    return text; // what is no YAML is the text itself
  }
};

/** Reads `--set rl.learningRate=1e-5`; the value is YAML. @throws ConfigError */
export const readSetting = (text: string): Setting => {
  const at = text.indexOf("=");
  const path = text.slice(0, at).split(".");
  if (at < 1 || path.some((key) => key === "" || key === "__proto__"))
    throw new ConfigError(
      `--set: expected a path and a value such as rl.learningRate=1e-5, got ${JSON.stringify(text)}`,
    );
  return { path, value: plain(text.slice(at + 1)) };
};
