import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { DEFAULT_MAX_LENGTH, hasR1Format, locateTaggedAnswer, readReasoning, refuseReply } from "./verdict-scanner.ts";

/** What stands in the answer, or why there is none. */
const read = (text: string): string => {
  const found = locateTaggedAnswer(text);
  return "why" in found ? `!${found.why}` : text.slice(found.start, found.end);
};

/** The rules of the scanner in plain words, character by character: an oracle that shares no code with it. */
const oracle = (text: string): string => {
  const startsOf = (tag: string): number[] =>
    Array.from({ length: text.length }, (_, i) => i).filter((i) => text.slice(i, i + tag.length) === tag);
  const thoughtsClosed = startsOf("</think>");
  const tail = thoughtsClosed.length === 0 ? text : text.slice((thoughtsClosed.at(-1) as number) + 8);
  const parts = tail.split("<think>");
  if (parts.length > 1) return "!cut-off";
  const opened = tail.split("<answer>");
  if (opened.length === 1) return "!no-answer";
  const closed = (opened.at(-1) as string).split("</answer>");
  if (closed.length === 1) return "!no-answer";
  return closed
    .slice(0, -1)
    .join("</answer>")
    .replace(/^[ \t-\r]+|[ \t-\r]+$/g, "");
};

const TAGS = ["<think>", "</think>", "<answer>", "</answer>"];

/** Replies made of tags, pieces of tags and text. */
const hostile = fc
  .array(fc.oneof(fc.constantFrom(...TAGS, "1", "2", " ", "\n", "<", ">", "/", "answer", "\u00a0"), fc.string()))
  .map((pieces) => pieces.join(""));

afterEach(() => vi.restoreAllMocks());

describe("locateTaggedAnswer", () => {
  it.each([
    ["<think>a</think><answer>1</answer>", "1"],
    ["<think>a</think>\n<answer>\n 2 \n</answer>\n", "2"],
    ["a</think><answer>1</answer>", "1"],
    ["<answer>2</answer>", "2"],
    ["<think>quoted <answer>1</answer></think><answer>2</answer>", "2"],
    ["<think>a</think><answer>1</answer></think><answer>2</answer>", "2"],
    ["<think>a<think>b</think><answer>1</answer>", "1"],
    ["<answer>1</answer><answer>2</answer>", "2"],
    ["<answer>1</answer> because it is right.", "1"],
    ["<answer></answer>", ""],
    ["<answer>\u00a01</answer>", "\u00a01"],
    ["<answer>\uff11</answer>", "\uff11"],
    ["<answer><answer>1</answer></answer>", "1</answer>"],
    ["<answer>1</answer></answer>", "1</answer>"],
    ["</answer><answer>1</answer>", "1"],
    ["", "!no-answer"],
    ["Response 1 is better", "!no-answer"],
    ["<think>a</think><answer>1", "!no-answer"],
    ["<think>a</think>1</answer>", "!no-answer"],
    ["<answer>1</answer><answer>2", "!no-answer"],
    ["<think>a</think><answer>1</answer></think>", "!no-answer"],
    ["<ANSWER>1</ANSWER>", "!no-answer"],
    ["<answer >1</answer>", "!no-answer"],
    ["<think>a", "!cut-off"],
    ["<think>a <answer>1</answer>", "!cut-off"],
    ["<think>a</think><answer>1</answer><think>b", "!cut-off"],
  ])("reads %j as %j", (text, expected) => {
    expect(read(text)).toBe(expected);
    expect(oracle(text)).toBe(expected);
  });

  it("agrees with the plain-words oracle on anything", () => {
    fc.assert(
      fc.property(hostile, (text) => {
        expect(read(text)).toBe(oracle(text));
      }),
      { numRuns: 1000 },
    );
  });

  it("scans a fixed number of times and uses no regular expression, however hostile the reply", () => {
    const scans = [vi.spyOn(String.prototype, "indexOf"), vi.spyOn(String.prototype, "lastIndexOf")];
    const regexes = vi.spyOn(RegExp.prototype, "exec");
    const bombs = TAGS.flatMap((tag) => [tag.repeat(1000), tag + " ".repeat(10_000), tag.slice(0, -1).repeat(1000)]);
    for (const text of [...bombs, TAGS.join("").repeat(1000)]) {
      scans.forEach((scan) => scan.mockClear());
      regexes.mockClear();
      refuseReply({ text }, DEFAULT_MAX_LENGTH);
      locateTaggedAnswer(text);
      readReasoning(text);
      hasR1Format(text, { whitespaceBetween: true, whitespaceAround: true });
      const counted = scans.map((scan) => scan.mock.calls.length).reduce((a, b) => a + b);
      const matched = regexes.mock.calls.length;
      expect(counted).toBeLessThanOrEqual(4 + 3 + 8);
      expect(matched).toBe(0);
    }
  });
});

describe("refuseReply", () => {
  it.each([
    [{ text: "<answer>1</answer>", finishReason: "stop" }, null],
    [{ text: "<answer>1</answer>", finishReason: "other" }, null],
    [{ text: "<answer>1</answer>" }, null],
    [{ text: "<answer>1</answer>", finishReason: "length" }, "cut-off"],
    [{ text: "", finishReason: "length" }, "cut-off"],
    [{ text: "<answer>1</answer>", finishReason: "content-filter" }, "refused"],
    [{ text: "" }, "empty"],
    [{ text: " \t\r\n" }, "empty"],
    [{ text: "12345678901" }, "too-long"],
  ] as const)("%j: %j", (reply, expected) => {
    expect(refuseReply(reply, reply.text.startsWith("123") ? 10 : DEFAULT_MAX_LENGTH)).toBe(expected);
  });

  it("reads up to the limit and not beyond", () => {
    expect(refuseReply({ text: "x".repeat(DEFAULT_MAX_LENGTH) }, DEFAULT_MAX_LENGTH)).toBe(null);
    expect(refuseReply({ text: "x".repeat(DEFAULT_MAX_LENGTH + 1) }, DEFAULT_MAX_LENGTH)).toBe("too-long");
  });
});

describe("readReasoning", () => {
  it.each([
    ["<think> a b \n</think><answer>1</answer>", "a b"],
    ["a b</think><answer>1</answer>", "a b"],
    ["<think>a</think> c </think><answer>1</answer>", "a</think> c"],
    ["Better because. <answer>1</answer>", "Better because."],
    ["<think>unfinished", "unfinished"],
    ["stray</think> and <think>late", "stray"],
    ["nothing to tell apart", ""],
    ["", ""],
  ])("%j: %j", (text, expected) => {
    expect(readReasoning(text)).toBe(expected);
  });
});

describe("hasR1Format", () => {
  const good = "<think>Response 1 counts three dogs.\nRight.</think><answer>1</answer>";

  it.each([
    [good, true],
    ["<think></think><answer></answer>", true],
    ["<think>a</think><answer>anything</answer>", true],
    [`${good}\n`, false],
    [` ${good}`, false],
    [good.replace("</think>", "</think> "), false],
    [good.replace("</think>", "</think>\n"), false],
    [good.replace("<think>", "<think><think>"), false],
    [good.replace("</think>", "</think></think>"), false],
    [good.replace("<answer>", "<answer><answer>"), false],
    [`${good}</answer>`, false],
    [`${good}${good}`, false],
    ["<answer>1</answer><think>a</think>", false],
    ["<think>a<answer>1</answer></think>", false],
    ["<think>a</answer><answer></think>", false],
    ["<Think>a</Think><answer>1</answer>", false],
    ["<answer>1</answer>", false],
    ["<think>a</think>", false],
    ["", false],
  ])("%j: %j", (text, expected) => {
    expect(hasR1Format(text)).toBe(expected);
  });

  it("allows white space where it is told to, and only there", () => {
    const spaced = good.replace("</think>", "</think> \n");
    expect(hasR1Format(spaced, { whitespaceBetween: true })).toBe(true);
    expect(hasR1Format(spaced.replace(" \n", " x "), { whitespaceBetween: true })).toBe(false);
    expect(hasR1Format(spaced.replace(" \n", "\u00a0"), { whitespaceBetween: true })).toBe(false);
    expect(hasR1Format(`\n${good}\n`, { whitespaceAround: true })).toBe(true);
    expect(hasR1Format(`\n${spaced}\n`, { whitespaceAround: true })).toBe(false);
    expect(hasR1Format(`${good}.`, { whitespaceAround: true })).toBe(false);
  });

  it("agrees with the paper's pattern plus one of each tag, on anything", () => {
    const pattern = (text: string): boolean =>
      /^<think>.*?<\/think><answer>.*?<\/answer>$/s.test(text) && TAGS.every((tag) => text.split(tag).length === 2);
    const often = <T>(usual: T, ...rest: T[]) =>
      fc.oneof({ arbitrary: fc.constant(usual), weight: 9 }, { arbitrary: fc.constantFrom(...rest), weight: 1 });
    const nearly = fc
      .tuple(...TAGS.map((tag) => fc.tuple(often("", "x", " ", "\n", ...TAGS), often(tag, "", ...TAGS))))
      .map((parts) => parts.flat().join(""));
    fc.assert(
      fc.property(fc.oneof(nearly, hostile), (text) => {
        expect(hasR1Format(text)).toBe(pattern(text));
      }),
      { numRuns: 2000 },
    );
  });
});
