/** R1-Reward's own protocol: two responses in, `<think>…</think><answer>1|2</answer>` out (paper, Table 1). */
import type { JudgeProtocol } from "../interfaces.ts";
import { oneOf } from "./ask.ts";
import { defineTaggedProtocol, type ProtocolOptions, variantName } from "./define-protocol.ts";
import { QWEN_MARKERS } from "./neutralise.ts";
import { R1_EVAL_TEMPLATE, R1_TRAIN_TEMPLATE } from "./r1-templates.ts";

/** What can be changed about R1-Reward's protocol. */
export interface R1ProtocolOptions extends ProtocolOptions {
  /**
   * `eval` (default): the prompt of the authors' evaluation scripts, images first. `train`: what is probably the
   * training prompt, text first; the authors did not publish which one they used, so treat it as unverified.
   */
  readonly preset?: "eval" | "train" | undefined;
  /** Own wording with `{question}`, `{answer1}` and `{answer2}`; it must ask for the same tags and digits. */
  readonly template?: string | undefined;
  /** Name of the result; built from the preset and what was changed when left out. */
  readonly name?: string | undefined;
}

const PRESETS = {
  eval: { template: R1_EVAL_TEMPLATE, contentOrder: "media-first" },
  train: { template: R1_TRAIN_TEMPLATE, contentOrder: "text-first" },
} as const;

/**
 * Makes a variant of R1-Reward's protocol. The answer must be exactly `1` or `2`; ties do not exist.
 *
 * @throws ConfigError when an option cannot work.
 */
export const createR1Protocol = (options: R1ProtocolOptions = {}): JudgeProtocol => {
  const preset = oneOf("preset", options.preset ?? "eval", ["eval", "train"]);
  const { template, contentOrder } = PRESETS[preset];
  return defineTaggedProtocol({
    ...options,
    name: options.name ?? variantName(`r1/${preset}`, options, contentOrder),
    template: options.template ?? template,
    contentOrder: options.contentOrder ?? contentOrder,
    controlMarkers: QWEN_MARKERS,
    labels: { first: "1", second: "2" },
  });
};

/** The protocol of the authors' evaluation, ready to use: `r1/eval`. */
export const r1Protocol: JudgeProtocol = createR1Protocol();
