// What is finished is kept as JSON and not made again.
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** → `(name, make)`: what `folder/name.json` holds, or what `make()` resolves to, then kept there. */
export const keptIn = (folder) => async (name, make) => {
  const file = join(folder, `${name}.json`);
  if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8"));
  const made = await make();
  writeFileSync(`${file}.new`, `${JSON.stringify(made)}\n`);
  renameSync(`${file}.new`, file);
  return made;
};
