import { describe, expect, it } from "vitest";
import { ConfigError } from "../errors.ts";
import type { SampleOptions } from "../interfaces.ts";
import { sampleFields, type Dialect } from "./dialect.ts";
import { dialects } from "./dialects.ts";

const fields = (options: SampleOptions, dialect: Dialect, version = "") => sampleFields(options, { dialect, version });

describe("fields of a request", () => {
  it("are sent as given, and nothing else is", () => {
    for (const dialect of Object.values<Dialect>(dialects)) expect(fields({}, dialect)).toEqual({});
    const all = { temperature: 0, topP: 1, topK: -1, repetitionPenalty: 1, maxTokens: 1, seed: 0, stop: ["x"] };
    expect(fields(all, dialects.vllm)).toEqual({
      temperature: 0,
      top_p: 1,
      top_k: -1,
      repetition_penalty: 1,
      max_completion_tokens: 1,
      seed: 0,
      stop: ["x"],
    });
    expect(fields({ repetitionPenalty: 1.1, maxTokens: 5 }, dialects.llamaCpp)).toEqual({
      repeat_penalty: 1.1,
      max_tokens: 5,
    });
  });

  it.each([
    [{ temperature: Number.NaN }, /temperature: expected a number from 0/],
    [{ temperature: -1 }, /temperature/],
    [{ topP: 1.5 }, /topP/],
    [{ maxTokens: 0 }, /maxTokens: expected a whole number from 1, got 0/],
    [{ maxTokens: 2.5 }, /maxTokens/],
    [{ seed: -1 }, /seed/],
    [{ seed: 2 ** 60 }, /seed/],
    [{ repetitionPenalty: 0 }, /repetitionPenalty/],
    [{ logprobTokenIds: [-3] }, /logprobTokenIds/],
  ] satisfies [SampleOptions, RegExp][])("refuse %j", (options, message) => {
    expect(() => fields(options, dialects.vllm)).toThrow(message);
    expect(() => fields(options, dialects.vllm)).toThrow(ConfigError);
  });
});

describe("what a server would ignore is refused", () => {
  it.each([
    ["generic", { topK: 5 }],
    ["generic", { repetitionPenalty: 1.1 }],
    ["generic", { structured: { choice: ["1"] } }],
    ["openai", { topK: 5 }],
    ["openai", { logprobTokenIds: [16] }],
    ["openai", { logprobs: 21 }],
    ["sglang", { logprobTokenIds: [16] }],
    ["ollama", { structured: { regex: "[12]" } }],
    ["llamaCpp", { structured: { regex: "[12]" } }],
    ["anthropicCompatible", { seed: 1 }],
    ["anthropicCompatible", { logprobs: 0 }],
    ["anthropicCompatible", { temperature: 1.5 }],
    ["geminiCompatible", { logprobs: 2 }],
  ] satisfies [keyof typeof dialects, SampleOptions][])("%s: %j", (name, options) => {
    expect(() => fields(options, dialects[name])).toThrow(ConfigError);
  });

  it("says how to go on", () => {
    expect(() => fields({ topK: 5 }, dialects.generic)).toThrow(
      /topK: the dialect generic has no top-k; leave the option out, name another dialect, or .* extraBody/,
    );
  });
});

describe("log-probabilities", () => {
  it("are asked for as the API wants them", () => {
    expect(fields({ logprobs: 0 }, dialects.openai)).toEqual({ logprobs: true, top_logprobs: 0 });
    expect(fields({ logprobs: 7 }, dialects.sglang)).toEqual({ logprobs: true, top_logprobs: 7 });
    // Five likeliest tokens besides: an older vLLM ignores the ids.
    expect(fields({ logprobTokenIds: [16, 17] }, dialects.vllm)).toEqual({
      logprobs: true,
      top_logprobs: 5,
      logprob_token_ids: [16, 17],
    });
  });
});

describe("constraints", () => {
  const choice = { structured: { choice: ["1", "2"] } } as const;
  const regex = { structured: { regex: "<answer>[12]</answer>" } } as const;

  it("are named after the version of vLLM: guided_* is gone since 0.12 and would be ignored", () => {
    expect(fields(choice, dialects.vllm, "0.32.0")).toEqual({ structured_outputs: { choice: ["1", "2"] } });
    expect(fields(regex, dialects.vllm, "0.12.0")).toEqual({ structured_outputs: { regex: "<answer>[12]</answer>" } });
    expect(fields(choice, dialects.vllm, "0.11.2")).toEqual({ guided_choice: ["1", "2"] });
    expect(fields(regex, dialects.vllm, "v0.9.1")).toEqual({ guided_regex: "<answer>[12]</answer>" });
    expect(fields(choice, dialects.vllm, "0.1.dev1+g32")).toEqual({ structured_outputs: { choice: ["1", "2"] } });
    expect(fields(choice, dialects.vllm)).toEqual({ structured_outputs: { choice: ["1", "2"] } });
  });

  it("become a regex for SGLang, with the choices quoted", () => {
    expect(fields(regex, dialects.sglang)).toEqual({ regex: "<answer>[12]</answer>" });
    const given = { structured: { choice: ["a.b", "(c)|d"] } };
    const { regex: written } = fields(given, dialects.sglang) as { regex: string };
    const pattern = new RegExp(`^${written}$`);
    expect(["a.b", "(c)|d", "axb", "c", "d"].map((text) => pattern.test(text))).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
  });

  it("become a grammar for llama.cpp", () => {
    expect(fields(choice, dialects.llamaCpp)).toEqual({ grammar: 'root ::= "1" | "2"' });
  });

  it("must leave something to choose", () => {
    expect(() => fields({ structured: { choice: [] } }, dialects.vllm)).toThrow(/at least one choice/);
  });
});
