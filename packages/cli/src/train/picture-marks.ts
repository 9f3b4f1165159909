/** What tells the pictures of a run's data apart, without decoding them. */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open, readdir } from "node:fs/promises";
import { resolve, sep } from "node:path";
import { throwIfAborted, type CallOptions, type MediaSource, type Part } from "@r1reward/core";
import type { LabelledPair } from "@r1reward/stablereinforce";
import type { RunConfig } from "./config/schema.ts";

/** Of a file: its size and so many bytes of its beginning. */
const BEGINNING = 2 ** 14;

/** Files looked at side by side. */
const TOGETHER = 64;

const sha = (bytes: Uint8Array | string): string => createHash("sha256").update(bytes).digest("hex").slice(0, 32);

/** NONBLOCK: what a row of the data names may be a pipe, which must not hang us. */
const FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

const fileMark = async (path: string): Promise<string> => {
  await using handle = await open(path, FLAGS);
  const stat = await handle.stat();
  if (!stat.isFile()) return "no file";
  const beginning = Buffer.alloc(Math.min(stat.size, BEGINNING));
  await handle.read(beginning, 0, beginning.length, 0);
  return `${stat.size} ${sha(beginning)}`;
};

/** A path below the folder of pictures; the loader reads no others. */
const below = (root: string | undefined, path: string): string | null => {
  if (root === undefined || path.includes("\0")) return null;
  const [folder, wanted] = [resolve(root), resolve(root, path)];
  return wanted === folder || wanted.startsWith(folder.endsWith(sep) ? folder : folder + sep) ? wanted : null;
};

/** What cannot be read is marked as such: the same run cannot read it either. */
const unreadable = (error: unknown): string => `not readable: ${(error as NodeJS.ErrnoException).code ?? "?"}`;

const sourceMark = async (source: MediaSource, root: string | undefined): Promise<string> => {
  if ("bytes" in source) return sha(source.bytes);
  if ("dataUri" in source) return sha(source.dataUri);
  if ("url" in source) return source.url;
  const file = below(root, source.path);
  return `${source.path} ${file === null ? "outside" : await fileMark(file).catch(unreadable)}`;
};

const partMark = async (part: Part, root: string | undefined): Promise<string[]> => {
  if (part.type === "text") return [];
  if (part.type === "image") return [await sourceMark(part.image, root)];
  if ("frames" in part.video) return Promise.all(part.video.frames.map((frame) => sourceMark(frame, root)));
  const { folder } = part.video;
  const path = below(root, folder);
  const names = path === null ? [] : await readdir(path).catch((error: unknown) => [unreadable(error)]);
  return Promise.all(names.sort().map((name) => sourceMark({ path: `${folder}/${name}` }, root)));
};

/**
 * A mark for every picture of every pair. Drawn scenes have none: their texts and critiques tell what is in them, and their bytes are
 * another version's of zlib on another machine.
 * @throws AbortError
 */
export const picturesOf = async (
  pairs: readonly LabelledPair[],
  { data: { source } }: RunConfig,
  { signal }: CallOptions,
): Promise<readonly string[]> => {
  if (source.kind !== "file") return [];
  const marks: string[] = [];
  for (let at = 0; at < pairs.length; at += TOGETHER) {
    throwIfAborted(signal);
    const parts = pairs.slice(at, at + TOGETHER).flatMap(({ question }) => question);
    const found = await Promise.all(parts.map((part) => partMark(part, source.imageRoot)));
    marks.push(...found.flat());
  }
  return marks;
};
