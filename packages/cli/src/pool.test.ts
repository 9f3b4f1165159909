import { describe, expect, it } from "vitest";
import { forEachConcurrent } from "./pool.ts";

async function* upTo(n: number, onPull: (i: number) => void = () => {}) {
  for (let i = 0; i < n; i += 1) {
    onPull(i);
    yield i;
  }
}
const pause = () => new Promise((resolve) => setTimeout(resolve, 1));

describe("forEachConcurrent", () => {
  it("does everything once, never more than the limit at a time, and reads no further ahead", async () => {
    const done: number[] = [];
    let running = 0;
    let most = 0;
    let furthest = 0;
    await forEachConcurrent(
      upTo(50, (i) => (furthest = i)),
      4,
      async (item, index) => {
        expect(item).toBe(index);
        most = Math.max(most, (running += 1));
        expect(furthest - done.length).toBeLessThanOrEqual(4);
        await pause();
        running -= 1;
        done.push(item);
      },
    );
    expect(most).toBe(4);
    expect(done.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i));
  });

  it("stops at the first error, after what was under way has ended", async () => {
    const ended: number[] = [];
    const run = forEachConcurrent(upTo(100), 3, async (item) => {
      await pause();
      if (item === 5) throw new Error("five");
      ended.push(item);
    });
    await expect(run).rejects.toThrow("five");
    expect(ended.length).toBeLessThan(12);
  });

  it("passes on an error of the stream, after what was under way has ended", async () => {
    let ended = false;
    const broken = async function* () {
      yield 1;
      throw new Error("line 2");
    };
    const work = async () => {
      await pause();
      ended = true;
    };
    await expect(forEachConcurrent(broken(), 2, work)).rejects.toThrow("line 2");
    expect(ended).toBe(true);
  });
});
