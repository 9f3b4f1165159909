/** The small text transformer as a model of the pipeline: for tests, experiments without pictures, and seeing every part work in seconds. */
import type { Winner } from "@r1reward/core";
import { ShapeError } from "../errors.ts";
import { transformerPolicy, type TransformerPolicyOptions } from "../policy/index.ts";
import type { PipelineModel } from "./types.ts";

/** How the model is made. */
export interface TextModelOptions extends TransformerPolicyOptions {
  /** Most tokens of prompt and reply together; 1,024 by default. */
  readonly context?: number | undefined;
}

/** @throws ConfigError on sizes that do not fit together */
export const textModel = <Truth = Winner>({ context = 1024, ...options }: TextModelOptions): PipelineModel<Truth> => {
  const policy = transformerPolicy<Truth>(options);
  const { tokenizer } = options;
  return {
    policy,
    tokenizer,
    context,
    measure: (prompt) => tokenizer.encodePrompt(prompt).length,
    encode: (prompt, reply) => {
      const row = { promptTokens: tokenizer.encodePrompt(prompt), tokens: tokenizer.encodeReply(reply) };
      const length = row.promptTokens.length + row.tokens.length;
      if (length <= context) return row;
      const expected = `at most ${context} tokens of prompt and reply`;
      throw new ShapeError("context", { expected, actual: String(length) });
    },
    [Symbol.asyncDispose]: () => policy[Symbol.asyncDispose](),
  };
};
