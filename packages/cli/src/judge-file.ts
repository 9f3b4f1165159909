/** `r1reward.json` of an exported model: how the model was asked in training, so that it is asked so again. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError, messageOf } from "@r1reward/core";
import type { RunConfig } from "./train/config/schema.ts";

const NAME = "r1reward.json";

/** The file, by name, for an export of a run. */
export const judgeFile = ({ protocol }: RunConfig): Readonly<Record<string, string>> => ({
  [NAME]: `${JSON.stringify({ protocol }, null, 2)}\n`,
});

/**
 * The protocol that a model's folder says it was trained on; `undefined` when it says nothing.
 * @throws ConfigError naming the file when it cannot be read
 */
export const trainedProtocol = async (folder: string): Promise<string | undefined> => {
  const file = join(folder, NAME);
  try {
    const { protocol } = JSON.parse(await readFile(file, "utf8")) as { readonly protocol?: unknown };
    if (typeof protocol === "string") return protocol;
    throw new TypeError(`protocol: expected the name of a protocol, got ${JSON.stringify(protocol)}`);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new ConfigError(`${file}: ${messageOf(cause)}`, { cause });
  }
};
