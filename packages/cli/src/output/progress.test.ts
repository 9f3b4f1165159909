import { describe, expect, it } from "vitest";
import { progressLine, startProgress } from "./progress.ts";

const fakeStream = (isTTY: boolean) => {
  const written: string[] = [];
  const stream = { isTTY, columns: 40, write: (text: string) => (written.push(text), true) };
  return { stream: stream as unknown as NodeJS.WriteStream, written };
};

describe("progressLine", () => {
  it("says done, total, rate, what is left and what failed", () => {
    // 50 of 200 after 10 s: 5 a second, and (200 − 50) / 5 = 30 s to go.
    expect(progressLine("judging", { done: 50, total: 200, failed: 2 }, 10_000)).toBe(
      "judging 50/200 · 5.0/s · 30 s left · 2 failed",
    );
  });

  it("leaves out what it does not know", () => {
    expect(progressLine("judging", { done: 3, failed: 0 }, 100)).toBe("judging 3");
    expect(progressLine("judging", { done: 0, total: 9, failed: 0 }, 60_000)).toBe("judging 0/9");
  });

  it("switches to minutes when slow", () => {
    expect(progressLine("judging", { done: 6, total: 18, failed: 0 }, 60_000)).toBe(
      "judging 6/18 · 6.0/min · 2 min left",
    );
  });
});

describe("startProgress", () => {
  it("rewrites one line on a terminal and clears it at the end", () => {
    const { stream, written } = fakeStream(true);
    const progress = startProgress("judging", { quiet: false, stream });
    progress.update({ done: 1, total: 2, failed: 0, note: "x".repeat(100) });
    progress.finish();
    expect(written).toHaveLength(2);
    expect(written[0]).toMatch(/^\r\u001b\[Kjudging 1\/2/);
    expect(written[0]!.length).toBeLessThanOrEqual(4 + 39);
    expect(written[1]).toBe("\r\u001b[K");
  });

  it("writes no control characters elsewhere", () => {
    const { stream, written } = fakeStream(false);
    const progress = startProgress("judging", { quiet: false, stream });
    progress.update({ done: 1, failed: 0 });
    progress.finish();
    expect(written.join("")).not.toContain("\u001b");
  });

  it("is silent when asked to be", () => {
    const { stream, written } = fakeStream(true);
    const progress = startProgress("judging", { quiet: true, stream });
    progress.update({ done: 1, failed: 0 });
    progress.finish();
    expect(written).toEqual([]);
  });
});
