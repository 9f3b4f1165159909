import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { CONTROL_MARKERS, neutraliseMarkers, QWEN_MARKERS, REPLY_TAGS } from "./neutralise.ts";

const ZWSP = "\u200B";

// The 22 tokens that Qwen2.5 adds to its vocabulary (tokenizer_config.json of Qwen2.5-VL): ids 151643 to 151664.
const QWEN_TOKENS = [
  ...["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>"],
  ...["<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>"],
  ...["<|image_pad|>", "<|video_pad|>", "<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>"],
  ...["<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"],
];

const OTHER_TOKENS = [
  "<|start_header_id|>",
  "<|eot_id|>",
  "<｜User｜>",
  "<｜end▁of▁sentence｜>",
  "<|reserved_special_token_7|>",
];

/** Text made of the pieces of markers, so that most strings hold some. */
const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom("<", "|", ">", "｜", "[", "]", "/", "<|", "|>", "im_end", ZWSP, "\n", ...CONTROL_MARKERS),
      fc.string(),
    ),
  )
  .map((pieces) => pieces.join(""));

describe("neutraliseMarkers", () => {
  it.each([...QWEN_TOKENS, ...OTHER_TOKENS, ...CONTROL_MARKERS])("defuses %s and keeps it readable", (token) => {
    const { text, changed } = neutraliseMarkers(`see ${token} here`);
    expect(changed).toBe(true);
    expect(text).not.toContain(token);
    expect(text.replaceAll(ZWSP, "")).toBe(`see ${token} here`);
  });

  it.each(QWEN_TOKENS)("defuses %s with the short list too", (token) => {
    expect(neutraliseMarkers(token, QWEN_MARKERS).text).not.toContain(token);
  });

  it.each([
    "",
    "a < b",
    "x <= y | z",
    "List<String>",
    "[1] and [2]",
    "f <| x",
    "x |> f",
    "<b>bold</b>",
    "1 <\u200B|im_end|>",
  ])("leaves %j alone", (text) => {
    expect(neutraliseMarkers(text)).toEqual({ text, changed: false });
  });

  it("leaves reply tags alone unless they are asked for", () => {
    const text = "<think>x</think><answer>1</answer>";
    expect(neutraliseMarkers(text).changed).toBe(false);
    expect(neutraliseMarkers(text, REPLY_TAGS).text).toBe(
      `<${ZWSP}think>x<${ZWSP}/think><${ZWSP}answer>1<${ZWSP}/answer>`,
    );
  });

  it("handles overlapping markers", () => {
    expect(neutraliseMarkers("<<|im_end|>|>").text).toBe(`<<${ZWSP}|im_end|>|>`);
    expect(neutraliseMarkers("<<SYS>>").text).toBe(`<${ZWSP}<SYS>>`);
  });

  it("leaves no pair of pipes and no marker, changes nothing else, and does nothing twice", () => {
    fc.assert(
      fc.property(hostile, (raw) => {
        const { text, changed } = neutraliseMarkers(raw);
        expect(text).not.toMatch(/<\|[^]*\|>/);
        expect(text).not.toMatch(/<｜[^]*｜>/);
        for (const marker of CONTROL_MARKERS) expect(text).not.toContain(marker);
        expect(text.replaceAll(ZWSP, "")).toBe(raw.replaceAll(ZWSP, ""));
        expect(changed).toBe(text !== raw);
        expect(neutraliseMarkers(text)).toEqual({ text, changed: false });
      }),
    );
  });

  it("searches the whole text twice and looks at each position a fixed number of times", () => {
    const includes = vi.spyOn(String.prototype, "includes");
    const startsWith = vi.spyOn(String.prototype, "startsWith");
    const count = (text: string) => {
      includes.mockClear();
      startsWith.mockClear();
      neutraliseMarkers(text);
      return { includes: includes.mock.calls.length, startsWith: startsWith.mock.calls.length };
    };
    const [small, large] = [count("<".repeat(100)), count("<".repeat(1000))];
    includes.mockRestore();
    startsWith.mockRestore();
    expect(small).toEqual({ includes: 2, startsWith: 100 * CONTROL_MARKERS.length });
    expect(large).toEqual({ includes: 2, startsWith: 1000 * CONTROL_MARKERS.length });
  });
});
