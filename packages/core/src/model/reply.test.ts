import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readCompletions, readLogps, readReply } from "./reply.ts";

const choice = (message: object, more: object = {}) => ({ message, finish_reason: "stop", ...more });
const body = (...choices: object[]) => ({ choices, usage: { prompt_tokens: 10, completion_tokens: 9 } });
const first = (read: ReturnType<typeof readCompletions>) => {
  if (!read.ok) throw new Error(read.failure.message);
  return read.value[0]!;
};
const failure = (read: ReturnType<typeof readCompletions>) => {
  if (read.ok) throw new Error("read, though it should fail");
  return read.failure;
};

describe("replies", () => {
  it("give text, reason, usage and latency", () => {
    expect(readCompletions(body(choice({ content: "hi" })), 12)).toEqual({
      ok: true,
      value: [{ text: "hi", finishReason: "stop", usage: { promptTokens: 10, completionTokens: 9 }, latencyMs: 12 }],
    });
  });

  it("share the usage of a request among its samples", () => {
    const read = readCompletions(body(...["a", "b", "c"].map((content) => choice({ content }))), 1);
    expect(read.ok && read.value.map(({ usage }) => usage)).toEqual([
      { promptTokens: 10, completionTokens: 3 },
      { promptTokens: 0, completionTokens: 3 },
      { promptTokens: 0, completionTokens: 3 },
    ]);
  });

  it("leave unknown usage unknown", () => {
    const read = readCompletions({ choices: [choice({ content: "x" })], usage: { prompt_tokens: -1 } }, 1);
    expect(first(read).usage).toEqual({ promptTokens: null, completionTokens: null });
  });

  it.each([
    ["stop", "stop"],
    ["length", "length"],
    ["max_tokens", "length"],
    ["content_filter", "content-filter"],
    ["content-filter", "content-filter"],
    ["tool_calls", "other"],
    ["repetition", "other"],
    [null, "other"],
    ["constructor", "other"],
  ])("finish_reason %s is %s", (reason, expected) => {
    const read = readCompletions(body(choice({ content: "x" }, { finish_reason: reason })), 1);
    expect(first(read).finishReason).toBe(expected);
  });

  it.each([
    [{ reasoning: "hm", content: "<answer>1</answer>" }, "stop", "<think>hm</think><answer>1</answer>"],
    [{ reasoning_content: "hm", content: "<answer>1</answer>" }, "stop", "<think>hm</think><answer>1</answer>"],
    [{ reasoning: "hm", content: null }, "length", "<think>hm"],
    [{ reasoning: "hm", content: "" }, "stop", "<think>hm</think>"],
    [{ reasoning: "", content: "plain" }, "stop", "plain"],
    [{ reasoning: "hm", content: "<think>own</think>x" }, "stop", "<think>own</think>x"],
    [{ content: [{ type: "text", text: "a" }, { type: "x" }, { type: "text", text: "b" }] }, "stop", "ab"],
    [{ content: null }, "stop", ""],
    [{ content: null, refusal: "I cannot." }, "stop", "I cannot."],
  ])("%j (%s) reads %j", (message, reason, text) => {
    expect(first(readCompletions(body(choice(message, { finish_reason: reason })), 1)).text).toBe(text);
  });

  it("that are refusals say so", () => {
    expect(first(readCompletions(body(choice({ content: null, refusal: "no" })), 1)).finishReason).toBe(
      "content-filter",
    );
  });
});

describe("log-probabilities", () => {
  it("are read, and what is no number is left out", () => {
    const content = [
      { token: "<", logprob: -0.5, top_logprobs: [{ token: "<", logprob: -0.5 }] },
      {
        token: "1",
        logprob: -9999,
        top_logprobs: [
          { token: "1", logprob: -0.2 },
          { token: "2", logprob: -9999 },
        ],
      },
      { token: "2", logprob: null, top_logprobs: [{ token: "2", logprob: "NaN" }, { logprob: -1 }] },
      { logprob: -1 },
      null,
      { token: ">", logprob: 0 },
    ];
    expect(readLogps({ content })).toEqual([
      { token: "<", logp: -0.5, top: [{ token: "<", logp: -0.5 }] },
      { token: "1", logp: -0.2, top: [{ token: "1", logp: -0.2 }] },
      { token: ">", logp: 0, top: [] },
    ]);
  });

  it("that are absent stay absent", () => {
    for (const value of [undefined, null, {}, { content: null }, { content: "x" }, 5]) {
      expect(readLogps(value)).toBeUndefined();
    }
    expect(first(readCompletions(body(choice({ content: "x" }, { logprobs: null })), 1))).not.toHaveProperty("logps");
  });
});

describe("errors in a 200 response", () => {
  it.each([
    [{ error: { code: 429, message: "slow down" } }, { status: 429, retryable: true, overload: true }],
    [{ error: { code: "502", message: "upstream" } }, { status: 502, retryable: true, fault: true }],
    [{ error: { code: 400, message: "too long" } }, { status: 400, retryable: false }],
    [{ error: { type: "overloaded_error", message: "busy" } }, { status: 200, retryable: true }],
    [{ error: { type: "invalid_request_error", message: "no" } }, { status: 200, retryable: false }],
    [{ error: "Unauthorized" }, { status: 200, retryable: false }],
    [
      { object: "error", message: "flat", code: 503 },
      { status: 503, retryable: true, overload: true },
    ],
    [{ choices: [{ error: { code: 502, message: "mid" }, finish_reason: "error" }] }, { status: 502, retryable: true }],
    [{ choices: [{ message: { content: "half" }, finish_reason: "abort" }] }, { retryable: true, fault: true }],
  ])("%j", (given, expected) => {
    expect(failure(readCompletions(given, 1))).toMatchObject(expected);
  });
});

describe("anything else", () => {
  it.each([
    ["", /no JSON/],
    ["<html>Bad gateway</html>", /no JSON: <html>Bad gateway<\/html>/],
    ['{"choices":[{"message":{"content":"ha', /no JSON/],
    ["null", /without choices/],
    ['{"choices":[]}', /without choices/],
    ['{"choices":[null]}', /a choice that is no object/],
    ['{"choices":[{}]}', /a choice without a message/],
  ])("%j is a failed try", (text, message) => {
    const failed = failure(readReply(text, 1));
    expect(failed).toMatchObject({ retryable: true, status: 200 });
    expect(failed.message).toMatch(message);
  });

  it("never throws, and never lets NaN through, whatever JSON comes", () => {
    const hostile = fc.letrec<{ any: unknown }>((tie) => ({
      any: fc.oneof(
        { maxDepth: 3 },
        fc.jsonValue({ maxDepth: 1 }),
        fc.dictionary(
          fc.constantFrom("choices", "message", "content", "logprobs", "token", "logprob", "top_logprobs", "usage"),
          fc.oneof(tie("any"), fc.array(tie("any"), { maxLength: 3 })),
        ),
      ),
    })).any;
    fc.assert(
      fc.property(hostile, (value) => {
        const read = readReply(JSON.stringify(value) ?? "", 1);
        for (const completion of read.ok ? read.value : []) {
          expect(typeof completion.text).toBe("string");
          for (const { logp, top } of completion.logps ?? []) {
            expect([logp, ...top.map((other) => other.logp)].every(Number.isFinite)).toBe(true);
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});
