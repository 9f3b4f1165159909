/**
 * Which memory somebody reads. Handles may be made over one array, or over parts of one file in memory, and an array that was
 * given up may be somebody else's too: a result is only written where nobody reads.
 */
import type { HostData } from "../tensor.ts";

/** Readers of a buffer: the views that they read, and how many read each. */
type Readers = Map<HostData, number>;

// Over all engines of this process: an array does not know whose it is.
const readers = new WeakMap<ArrayBufferLike, Readers>();

/** Somebody reads it from now on. */
export const hold = (view: HostData): void => {
  const known: Readers = readers.get(view.buffer) ?? new Map<HostData, number>();
  known.set(view, (known.get(view) ?? 0) + 1);
  readers.set(view.buffer, known);
};

/** One reader less. */
export const letGo = (view: HostData): void => {
  const known = readers.get(view.buffer);
  const count = (known?.get(view) ?? 0) - 1;
  if (count > 0) known?.set(view, count);
  else known?.delete(view);
};

const overlap = (a: HostData, b: HostData): boolean =>
  a.byteOffset < b.byteOffset + b.byteLength && b.byteOffset < a.byteOffset + a.byteLength;

/** Does somebody read any of its bytes? */
export const isHeld = (view: HostData): boolean => {
  for (const other of readers.get(view.buffer)?.keys() ?? []) if (overlap(view, other)) return true;
  return false;
};
