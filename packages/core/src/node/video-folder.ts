/** The frames of a video that lies as a folder of images. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { MediaError, messageOf } from "../errors.ts";

/** How frame names are ordered. */
export type FrameOrder =
  /** By code point, as the published evaluations do: `10.jpg` comes before `2.jpg`, so number frames with zeros. */
  | "code-point"
  /** Numbers inside names count as numbers. */
  | "natural";

const IMAGE_NAME = /\.(?:png|jpe?g|webp|gif)$/i;

const byCodePoint = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/**
 * The image files of a folder in order. Other files, hidden files and subfolders are no frames.
 *
 * @throws MediaError `not-found` | `no-frames`
 */
export const listFrames = async (folder: string, order: FrameOrder = "code-point"): Promise<readonly string[]> => {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: NodeJS.ErrnoException) => {
    const problem = cause.code === "ENOTDIR" ? "expected a folder of frames, got a file" : messageOf(cause);
    throw new MediaError("not-found", `video: ${JSON.stringify(folder)}: ${problem}`, { cause });
  });
  const names = entries
    .filter((entry) => !entry.isDirectory() && IMAGE_NAME.test(entry.name) && !entry.name.startsWith("."))
    .map((entry) => entry.name);
  if (names.length === 0) throw new MediaError("no-frames", `video: ${JSON.stringify(folder)} has no image files`);
  const natural = new Intl.Collator("en", { numeric: true });
  return names
    .sort(order === "natural" ? (a, b) => natural.compare(a, b) || byCodePoint(a, b) : byCodePoint)
    .map((name) => join(folder, name));
};
