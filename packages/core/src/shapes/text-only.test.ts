/** The texts alone must not tell the answer: a learner that sees no picture is at chance on pairs it has not seen. */
import { describe, expect, it } from "vitest";
import { shapesRecord } from "./record.ts";
import { lengthLeak, textOnlyAccuracy, type Hits } from "./text-only.test-kit.ts";

/** Distance from a half in standard errors of a fair coin. */
const away = ({ n, right }: Hits): number => Math.abs(right - n / 2) / Math.sqrt(n / 4);

describe("a reader of the texts alone", () => {
  it("is at chance, over all and for each kind of question", () => {
    const { overall, byKind } = textOnlyAccuracy({ seed: 1, train: 4000, test: 2400 });
    // Nine comparisons: 3 standard errors would be passed by luck in 1 of 40 worlds; the seed is fixed.
    expect(away(overall), JSON.stringify(overall)).toBeLessThan(3);
    expect(Object.keys(byKind)).toHaveLength(8);
    for (const [kind, hits] of Object.entries(byKind)) expect(away(hits), kind).toBeLessThan(3);
  });

  it("finds a faint shortcut, when there is one", () => {
    const { overall } = textOnlyAccuracy({ seed: 1, train: 4000, test: 2400, leak: lengthLeak });
    expect(away(overall)).toBeGreaterThan(3);
  });

  it("sees each answer as often right as wrong, and as often first as second", () => {
    const seen = new Map<string, [number, number]>();
    let first = 0;
    for (let index = 0; index < 2000; index += 1) {
      const { question, answers, truth } = shapesRecord({ seed: 5, index });
      const counts = seen.get(JSON.stringify([question, answers])) ?? [0, 0];
      counts[truth] += 1;
      seen.set(JSON.stringify([question, answers]), counts);
      first += truth === 0 ? 1 : 0;
    }
    expect(first).toBe(1000);
    for (const [texts, [one, two]] of seen) expect(one, texts).toBe(two);
  });
});
