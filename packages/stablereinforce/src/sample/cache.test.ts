import { describe, expect, it } from "vitest";
import { cacheMemory, copyRows } from "./cache.ts";

const shape = { layers: 2, kvHeads: 3, headSize: 4 };
const BYTES_PER_PLACE = 2 * 2 * 3 * 4 * 4; // keys and values, layers, heads, size, float32

describe("cacheMemory", () => {
  it("gives caches of the shape that was asked for, and another set of arrays each time", () => {
    const memory = cacheMemory(shape);
    const [first, second] = [memory.make(2, 5), memory.make(4, 8)];
    expect([first.rows, first.capacity, first.keys.length, first.values.length]).toEqual([2, 5, 2, 2]);
    expect(second.keys[0]?.shape).toEqual([4, 3, 8, 4]);
    const memories = [...first.keys, ...first.values, ...second.keys, ...second.values].map(({ data }) => data.buffer);
    expect(new Set(memories).size).toBe(8);
  });

  it("keeps what is copied while a batch grows, step by step", () => {
    const memory = cacheMemory(shape);
    let cache = memory.make(2, 2);
    cache.keys[1]?.data.set([7, 8, 9, 10], (1 * 3 + 2) * 2 * 4); // row 1, head 2, position 0
    for (const [rows, capacity] of [
      [2, 4],
      [4, 4],
      [4, 16],
      [8, 32],
    ] as const) {
      const larger = memory.make(rows, capacity);
      copyRows(cache, larger, [{ from: 1, to: 1, length: 1 }]);
      cache = larger;
      const at = (1 * 3 + 2) * capacity * 4;
      expect([...(cache.keys[1]?.data.subarray(at, at + 4) ?? [])]).toEqual([7, 8, 9, 10]);
    }
  });

  it("allocates nothing when it was as large before, and leaves no number of the last run", () => {
    const memory = cacheMemory(shape);
    const before = [memory.make(4, 8), memory.make(4, 8)];
    for (const cache of before) for (const { data } of [...cache.keys, ...cache.values]) data.fill(Number.NaN);
    memory.rest(2 * 4 * 8 * BYTES_PER_PLACE);
    const after = [memory.make(4, 8), memory.make(2, 4)];
    const known = new Set(before.flatMap(({ keys, values }) => [...keys, ...values].map(({ data }) => data.buffer)));
    for (const cache of after) {
      for (const { data } of [...cache.keys, ...cache.values]) {
        expect(known.has(data.buffer)).toBe(true);
        expect(data.every((x) => x === 0)).toBe(true);
      }
    }
  });

  it("lets go of more than it may keep", () => {
    const memory = cacheMemory(shape);
    const before = memory.make(4, 8);
    memory.rest(4 * 8 * BYTES_PER_PLACE - 1);
    memory.make(4, 8);
    expect(memory.make(4, 8).keys[0]?.data.buffer).not.toBe(before.keys[0]?.data.buffer);
  });
});
