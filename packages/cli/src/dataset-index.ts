/** `--dataset`: where the server finds images and references that trainers do not send. */
import type { DatasetIndex, DatasetIndexOptions, DatasetIndexStats } from "@r1reward/adapters/serve";
import { ConfigError } from "@r1reward/core";
import { readRecords } from "@r1reward/core/node";
import { flagError } from "./options.ts";

const ROLES = ["id", "prompt", "label", "reference"] as const;
type Role = (typeof ROLES)[number];

const isRole = (name: string): name is Role => ROLES.some((role) => role === name);

/** `prompt=problem` → `{ prompt: "problem" }`, from every use of the flag. @throws ConfigError */
export const fieldsFrom = (texts: readonly string[]): DatasetIndexOptions => {
  const fields: Partial<Record<Role, string>> = {};
  for (const text of texts) {
    const cut = text.indexOf("=");
    const [role, name] = [text.slice(0, Math.max(0, cut)), text.slice(cut + 1)];
    if (!isRole(role) || name === "") {
      throw flagError("--dataset-field", `expected ${ROLES.join("=, ")}= and the name of a field, got "${text}"`);
    }
    fields[role] = name;
  }
  return fields;
};

/** Reads a dataset into an index. @throws DatasetError for a file that cannot be read, ConfigError for a field no record has. */
export const openDataset = async (
  file: string,
  fields: DatasetIndexOptions,
  signal: AbortSignal,
): Promise<DatasetIndex & { readonly stats: DatasetIndexStats }> => {
  const { datasetIndex } = await import("@r1reward/adapters/serve");
  const records: Readonly<Record<string, unknown>>[] = [];
  const seen = new Set<string>();
  for await (const { value } of readRecords(file, { signal })) {
    records.push(value);
    for (const name in value) seen.add(name);
  }
  for (const [role, name] of Object.entries(fields as Record<string, string>)) {
    if (!seen.has(name)) throw new ConfigError(`--dataset-field ${role}=${name}: no record of ${file} has this field`);
  }
  const index = datasetIndex(records, fields);
  if (index.stats.withImages + index.stats.withReference === 0) {
    throw flagError("--dataset", `expected records with images or references, ${file} has none in ${records.length}`);
  }
  return index;
};

/** One line about an index. */
export const describeDataset = ({ records, withImages, withReference, ambiguous }: DatasetIndexStats): string => {
  const parts = [`${records} records`, `${withImages} with images`];
  if (withReference > 0) parts.push(`${withReference} with a reference`);
  const shared = Object.entries(ambiguous).filter(([, count]) => count > 0);
  for (const [what, count] of shared) parts.push(`${count} ${what} shared by records that differ: not used`);
  return parts.join(", ");
};
