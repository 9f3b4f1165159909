/**
 * RM-R1, a reasoning judge for text.
 *
 * The models' own interface: the bracketed headings around the client's question and the chatbots' responses, the task
 * types `Reasoning` and `Chat` with their tags (`<type>`, `<solution>`, `<rubric>`, `<justify>`, `<eval>`, `<quote_A>`,
 * `<summary_A>` …), and the verdict `<answer>[[A]]</answer>` or `<answer>[[B]]</answer>`. The instruct models get the
 * instructions as a system message, the distilled reasoning models get all in the user message. The wording around that
 * is this project's: to send the authors' text to the letter (github.com/RM-R1-UIUC/RM-R1, `demo/demo.ipynb`), pass it as
 * `system` and `template`.
 */
import type { JudgeProtocol } from "../interfaces.ts";
import { oneOf } from "./ask.ts";
import { defineTaggedProtocol, type ProtocolOptions, variantName } from "./define-protocol.ts";

const CONVERSATION =
  "[Client Question]\n{question}\n\n" +
  "[The Start of Chatbot A's Response]\n{answer1}\n[The End of Chatbot A's Response]\n\n" +
  "[The Start of Chatbot B's Response]\n{answer2}\n[The End of Chatbot B's Response]";

const INSTRUCT_SYSTEM =
  "You judge, without taking sides, which of two AI Chatbots answered a Client's question better.\n\n" +
  "Begin by naming the kind of task: <type>Reasoning</type> when it takes mathematics, code, domain knowledge or several " +
  "steps of inference, <type>Chat</type> when it is open conversation, style, safety or general help.\n\n" +
  "For Reasoning:\n" +
  "1. Work the question out yourself, within <solution>...</solution>.\n" +
  "2. Within <eval>...</eval>, compare both responses with your solution for correctness, completeness and reasoning.\n\n" +
  "For Chat:\n" +
  "1. Within <rubric>...</rubric>, write criteria that fit this question, each with a weight, and say within " +
  "<justify>...</justify> why you chose them.\n" +
  "2. Within <eval>...</eval>, compare both responses by that rubric.\n\n" +
  "In <eval>, mark quotations with <quote_A>...</quote_A> and <quote_B>...</quote_B>, paraphrases with " +
  "<summary_A>...</summary_A> and <summary_B>...</summary_B>. The order, the length and the names of the responses must " +
  "not matter.\n\n" +
  "In both cases the last line is your verdict: <answer>[[A]]</answer> or <answer>[[B]]</answer>";

const REASONING_TEMPLATE =
  "Judge, without taking sides, which of two AI Chatbots answered the Client question below better.\n\n" +
  `${CONVERSATION}\n\n` +
  "End with your verdict in exactly this form: '<answer>[[A]]</answer>' if Chatbot A is better, " +
  "'<answer>[[B]]</answer>' if Chatbot B is better.";

/** What can be changed about RM-R1's protocol. */
export interface RmR1ProtocolOptions extends ProtocolOptions {
  /** `instruct` (default) for the models tuned from instruct models, `reasoning` for the distilled ones. */
  readonly variant?: "instruct" | "reasoning" | undefined;
  /** Own wording of the user message, with `{question}`, `{answer1}` and `{answer2}`. */
  readonly template?: string | undefined;
  /** Own wording of the system message. */
  readonly system?: string | undefined;
  /** Name of the result: `rm-r1/instruct-v1` or `rm-r1/reasoning-v1` when left out. */
  readonly name?: string | undefined;
}

/**
 * Makes a protocol for RM-R1.
 *
 * @throws ConfigError when an option cannot work.
 */
export const createRmR1Protocol = (options: RmR1ProtocolOptions = {}): JudgeProtocol => {
  const variant = oneOf("variant", options.variant ?? "instruct", ["instruct", "reasoning"]);
  return defineTaggedProtocol({
    ...options,
    name: options.name ?? variantName(`rm-r1/${variant}-v1`, options),
    template: options.template ?? (variant === "instruct" ? CONVERSATION : REASONING_TEMPLATE),
    system: options.system ?? (variant === "instruct" ? INSTRUCT_SYSTEM : undefined),
    labels: { first: "[[A]]", second: "[[B]]" },
  });
};

/** For RM-R1's instruct models: `rm-r1/instruct-v1`. */
export const rmR1Protocol: JudgeProtocol = createRmR1Protocol();
