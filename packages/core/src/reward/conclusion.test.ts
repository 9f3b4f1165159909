import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Winner } from "../types.ts";
import { statedWinner } from "./conclusion.ts";

describe("what it reads", () => {
  test.each<[string, Winner]>([
    ["Response 1 is better.", 0],
    ["Response 2 is better", 1],
    ["Overall, **Response 2** is better than Response 1.", 1],
    ["Therefore, Response 1 is clearly superior.", 0],
    ["Answer 2 is the better choice.", 1],
    ["In conclusion, response two is the best response overall.", 1],
    ["The second response is better because it is specific.", 1],
    ["The first answer remains preferable.", 0],
    ["Response 1 seems to be better.", 0],
    ["Response 1 stands out as the superior response.", 0],
    ["Response 2 outperforms Response 1.", 1],
    ["Response 1 clearly wins.", 0],
    ["Response 2 is the stronger of the two.", 1],
    ["I prefer Response 2 over Response 1.", 1],
    ["So I would choose Response 1.", 0],
    ["I'd go with the second response.", 1],
    ["The better response is Response 2.", 1],
    ["Best answer: Response 1", 0],
    ["The worse response is Response 1.", 1],
    ["Response 1 is worse than Response 2.", 1],
    ["Response 2 is inferior.", 0],
    ["Response 1 is not better than Response 2.", 1],
    ["Response 2 isn't better.", 0],
    ["Response 1 is no better than the other.", 1],
    ["Response 2 is better than the other one.", 1],
    ["Response 1 is more detailed, but vague.\nResponse 2 is accurate.\n\nOverall Response 2 is better.", 1],
    ["At first Response 1 is better. After a closer look, Response 2 is better.", 1],
    ["While Response 1 is longer, Response 2 is better.", 1],
    ["The caption of Response 2 names the dog. Hence Response 2 is better and more helpful.", 1],
  ])("%s", (text, winner) => {
    expect(statedWinner(text)).toBe(winner);
  });
});

describe("what it leaves to the referee", () => {
  test.each([
    "",
    "Both are fine.",
    "Response 1 describes the cat.",
    "Response 1's structure is better.",
    "Response 3 is better.",
    "Response 1 is better at describing colours.",
    "Response 1 is better in terms of clarity.",
    "Response 1 is better organised.",
    "Response 1 is better than expected.",
    "Response 1 is better than Response 1.",
    "Response 1 is not worse.",
    "Response 1 would be better.",
    "If Response 1 is better, say 1.",
    "It is unclear whether Response 2 is better.",
    "I don't think Response 1 is better.",
    "I cannot choose Response 1.",
    "Is it true that Response 1 is better?",
    "Response 1 is better, or is it?",
    "Response 2 is better. However, it is unsafe.",
    "Response 2 is better, although both are good.",
    "Response 1 is better. On reflection both are equally good.",
    "Response 1 wins in clarity.",
    "Neither response is better.",
    "The answer is 1.",
  ])("%s", (text) => {
    expect(statedWinner(text)).toBeNull();
  });
});

describe("properties", () => {
  const swapNumbers = (text: string) => text.replace(/[12]/g, (digit) => (digit === "1" ? "2" : "1"));
  const word = fc.constantFrom(
    ...[
      "response 1",
      "Response 2",
      "the first answer",
      "is",
      "not",
      "better",
      "worse",
      "than",
      "prefer",
      "the",
      "best",
    ],
    ...[
      "wins",
      "over",
      ".",
      ",",
      "?",
      "\n",
      "however",
      "if",
      "equally",
      "choice",
      "because",
      "of the two",
      "I",
      "overall",
    ],
  );
  const prose = fc.array(word, { maxLength: 25 }).map((words) => words.join(" "));

  test("never throws, and returns 0, 1 or null", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary", maxLength: 300 }), prose), (text) => {
        expect([0, 1, null]).toContain(statedWinner(text));
      }),
      { numRuns: 1000 },
    );
  });

  test("exchanging the numbers exchanges the winner", () => {
    fc.assert(
      fc.property(
        prose.filter((text) => !text.includes("first")),
        (text) => {
          const winner = statedWinner(text);
          expect(statedWinner(swapNumbers(text))).toBe(winner === null ? null : 1 - winner);
        },
      ),
      { numRuns: 500 },
    );
  });

  test("a plain last sentence decides, whatever comes before", () => {
    fc.assert(
      fc.property(prose, (text) => {
        expect(statedWinner(`${text}\nOverall, response 2 is better.`)).toBe(1);
      }),
      { numRuns: 500 },
    );
  });

  test("looks at each word a bounded number of times", () => {
    // Counted, not timed: reads of the word list grow as its length does, also for text made to be looked around in.
    const readsOf = (text: string) => {
      let reads = 0;
      const match = String.prototype.match;
      const spy = function (this: string, pattern: RegExp) {
        const words = match.call(this, pattern);
        return words === null
          ? null
          : new Proxy(words, { get: (target, key) => ((reads += 1), Reflect.get(target, key)) });
      };
      String.prototype.match = spy as typeof match;
      try {
        statedWinner(text);
      } finally {
        String.prototype.match = match;
      }
      return reads;
    };
    for (const unit of [
      "response 1 is the the the the ",
      "response 1 is better than ",
      "prefer the first ",
      "not if could ",
    ]) {
      const [short, long] = [readsOf(unit.repeat(50)), readsOf(unit.repeat(500))];
      expect(short).toBeGreaterThan(100);
      expect(long).toBeLessThan(11 * short);
    }
  });
});
