import { hasR1Format, type R1FormatOptions } from "../protocol/verdict-scanner.ts";
import { defineReward, type DefinedReward } from "./define.ts";

/**
 * 1 when the critique is exactly `<think>…</think><answer>…</answer>`, else 0 (paper, section 3). Never `null`: a policy
 * that writes something else has failed at its task.
 */
export const formatReward = (options: R1FormatOptions = {}): DefinedReward =>
  defineReward({ name: "format", score: ({ text }) => (hasR1Format(text, options) ? 1 : 0) });
