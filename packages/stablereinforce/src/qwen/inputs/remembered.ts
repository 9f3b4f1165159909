/** Pictures made ready before: both orders of a pair, its votes and all samples of a prompt show the same ones. */
import type { FoundMedia } from "./media-input.ts";
import type { VisualInput } from "./types.ts";

interface Entry {
  readonly made: Promise<VisualInput>;
  bytes: number;
}

/** Makes a picture ready, or gives what was made of it before. */
export type Remembered = (media: FoundMedia, make: () => Promise<VisualInput>) => Promise<VisualInput>;

const keyOf = ({ kind, frames, grid }: FoundMedia): string =>
  `${kind} ${grid.join("×")} ${frames.map(({ sha256 }) => sha256).join(" ")}`;

/**
 * Remembers `room` bytes of patches by the digests of the frames; those used longest ago go first. A picture that two ask for at a time is
 * made once. One that fails, or whose caller gave up, is not remembered: the next one finds out for itself.
 */
export const rememberMedia = (room: number): Remembered => {
  const entries = new Map<string, Entry>();
  let held = 0;
  const drop = (key: string, entry: Entry): void => {
    if (entries.get(key) !== entry) return;
    entries.delete(key);
    held -= entry.bytes;
  };
  const weigh = (key: string, entry: Entry, { patches }: VisualInput): void => {
    if (patches.byteLength > room) return drop(key, entry);
    entry.bytes = patches.byteLength;
    held += entry.bytes;
    for (const [oldest, other] of entries) {
      if (held <= room) return;
      if (other.bytes > 0) drop(oldest, other); // what is still being made weighs nothing yet
    }
  };
  const start = (key: string, make: () => Promise<VisualInput>): Promise<VisualInput> => {
    const entry: Entry = { made: make(), bytes: 0 };
    entries.set(key, entry);
    entry.made.then(
      (made) => weigh(key, entry, made),
      () => drop(key, entry),
    );
    return entry.made;
  };
  return async (media, make) => {
    const key = keyOf(media);
    const before = entries.get(key);
    if (before === undefined) return start(key, make);
    const made = await before.made.catch(() => undefined);
    if (made === undefined) return start(key, make);
    if (entries.get(key) === before && entries.delete(key)) entries.set(key, before); // the newest stands last
    return made;
  };
};
