/** Laying settings over settings. */
import type { ConfigObject, ConfigValue } from "./presets.ts";

const isObject = (value: ConfigValue | undefined): value is ConfigObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Objects merge key by key; everything else replaces what was there. An object of another `kind` replaces the whole: settings of one
 * kind of model mean nothing to another.
 */
export const merge = (under: ConfigValue | undefined, over: ConfigValue): ConfigValue => {
  if (!isObject(under) || !isObject(over)) return over;
  if (over.kind !== undefined && under.kind !== undefined && over.kind !== under.kind) return over;
  const merged: Record<string, ConfigValue> = { ...under };
  for (const [key, value] of Object.entries(over))
    merged[key] = merge(Object.hasOwn(under, key) ? under[key] : undefined, value);
  return merged;
};

/** `["rl", "steps"], 3` → `{ rl: { steps: 3 } }` */
export const nested = (path: readonly string[], value: ConfigValue): ConfigValue =>
  path.reduceRight<ConfigValue>((inner, key) => ({ [key]: inner }), value);
