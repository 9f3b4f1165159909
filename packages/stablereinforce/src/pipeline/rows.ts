/** Rows that are made once and kept as long as there is room. */
import type { Awaitable } from "@r1reward/core";
import type { TokenRow } from "../policy/index.ts";
import type { ExampleSource } from "../train/types.ts";

const ROOM = 256 * 2 ** 20;

const bytesOf = (row: object): number =>
  Object.values(row).reduce((sum: number, value: unknown) => {
    if (ArrayBuffer.isView(value)) return sum + value.byteLength;
    return typeof value === "object" && value !== null ? sum + bytesOf(value) : sum;
  }, 0);

/** Rows by index. Those made first are kept, up to 256 MiB; the others are made again in every pass. */
export const cachedRows = (
  length: number,
  make: (index: number) => Awaitable<TokenRow>,
  room: number = ROOM,
): ExampleSource => {
  const kept = new Map<number, TokenRow>();
  const state = { bytes: 0 };
  return {
    length,
    at: async (index) => {
      const known = kept.get(index);
      if (known !== undefined) return known;
      const row = await make(index);
      const bytes = bytesOf(row);
      if (state.bytes + bytes <= room && !kept.has(index)) {
        state.bytes += bytes;
        kept.set(index, row);
      }
      return row;
    },
  };
};
