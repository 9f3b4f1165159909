/** JSON files of a model's folder. */
import { messageOf } from "@r1reward/core";
import { readFile } from "node:fs/promises";
import { CheckpointError } from "../errors.ts";

/**
 * A parsed file; `undefined` when it is optional and not there.
 * @throws CheckpointError `io`, `not-json`
 */
export const readJson = async (file: string, optional = false): Promise<unknown> => {
  const text = await readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
    if (optional && cause.code === "ENOENT") return undefined;
    throw new CheckpointError({ file, problem: "io" }, messageOf(cause), { cause });
  });
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new CheckpointError({ file, problem: "not-json" }, messageOf(cause), { cause });
  }
};
