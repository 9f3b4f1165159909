/** Files that frozen weights lie in: found by their real paths, and watched for change. */
import { EngineError } from "../errors.ts";
import { placedAt, type External, type Frozen } from "../frozen.ts";
import { builtin } from "./load.ts";

const stampOf = ({ ino, size, mtimeMs }: { ino: number; size: number; mtimeMs: number }): string =>
  `${ino}-${size}-${mtimeMs}`;

/** ONNX Runtime reads files below one folder and no links that lead out of it: paths are resolved first. */
export const frozenHere = (frozen: Frozen): Frozen => {
  const { realpathSync, statSync } = builtin("node:fs");
  return placedAt(frozen, (path) => {
    const real = realpathSync(path);
    return { path: real, stamp: stampOf(statSync(real)) };
  });
};

/**
 * A graph made later must read the numbers that those before it have read.
 * @throws EngineError `runtime` naming the file that is gone or has changed
 */
export const checkUnchanged = (specs: readonly { readonly external?: External | undefined }[], name: string): void => {
  const stamps = new Map(specs.flatMap(({ external: file }) => (file === undefined ? [] : [[file.path, file.stamp]])));
  for (const [path, stamp] of stamps as ReadonlyMap<string, string | undefined>) {
    const found = builtin("node:fs").statSync(path, { throwIfNoEntry: false });
    if (found !== undefined && (stamp === undefined || stampOf(found) === stamp)) continue;
    const problem = `${name}: ${path} ${found === undefined ? "is gone" : "has changed"} since its weights were frozen`;
    throw new EngineError(problem, { reason: "runtime", file: path });
  }
};
