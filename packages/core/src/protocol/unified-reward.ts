/**
 * UnifiedReward and UnifiedReward-Think as pairwise judges of answers about images.
 *
 * The models' own interface: images before the text, the headings `Question:`, `Answer 1:` and `Answer 2:` (in brackets
 * for the Think models), the dimensions they score, and the sentences `Answer 1 is better` / `Answer 2 is better`, inside
 * `<answer>` for the Think models. The wording around that is this project's: to send the authors' text to the letter
 * (github.com/CodeGoat24/UnifiedReward, under `benchmark_evaluation` and `UnifiedReward-Think`), pass it as `template`.
 */
import type { JudgeProtocol } from "../interfaces.ts";
import { assembleProtocol, type ProtocolOptions, variantName } from "./define-protocol.ts";
import { type AnswerLocator, locateTaggedAnswer } from "./verdict-scanner.ts";

const FIRST = "Answer 1 is better";
const SECOND = "Answer 2 is better";

const PLAIN_TEMPLATE =
  "Look at the image and at the question about it, then compare the two answers on five points:\n\n" +
  "1. Accuracy of Object Descriptions: are the objects they name really there?\n" +
  "2. Relationship Between Objects: do positions and interactions match the image?\n" +
  "3. Description of Attributes: are size, colour, shape and the like right?\n" +
  "4. Helpfulness: does the answer do what the question asks and help to understand the image?\n" +
  "5. Ethical Concerns: is it free of harmful, private or biased content?\n\n" +
  `Explain briefly, then state your decision as '${FIRST}' or '${SECOND}'.\n\n` +
  "Question: {question}\nAnswer 1: {answer1}\nAnswer 2: {answer2}\n";

const THINK_TEMPLATE =
  "You see a question, a reference image and two answers (Answer 1 and Answer 2). Compare the answers on three core " +
  "dimensions and on any other that matters here:\n" +
  "1. Semantic accuracy: does the answer say what the image shows?\n" +
  "2. Correctness: is it right in logic and fact?\n" +
  "3. Clarity: is it clear and fluent?\n" +
  "Within <think> and </think>, give each answer a score from 1 to 10 per dimension with a short reason, in the form " +
  "'Answer 1 (score/10) - reason; Answer 2 (score/10) - reason', then add the scores up to a total for each answer. " +
  `After that write, within <answer> and </answer>, exactly '${FIRST}' or '${SECOND}' and nothing else.\n\n` +
  "Question: [{question}]\nAnswer 1: [{answer1}]\nAnswer 2: [{answer2}]";

/** What can be changed about UnifiedReward's protocol. */
export interface UnifiedRewardProtocolOptions extends ProtocolOptions {
  /** For the UnifiedReward-Think models. */
  readonly think?: boolean | undefined;
  /** Own wording with `{question}`, `{answer1}` and `{answer2}`. */
  readonly template?: string | undefined;
  /** Name of the result: `unified-reward/v1` or `unified-reward-think/v1` when left out. */
  readonly name?: string | undefined;
}

/** The model states its decision after its reasons, so the last of the two sentences is the decision. */
const locateStatement: AnswerLocator = (text) => {
  const start = Math.max(text.lastIndexOf(FIRST), text.lastIndexOf(SECOND));
  return start < 0 ? { why: "no-answer" } : { start, end: start + FIRST.length };
};

/**
 * Makes a protocol for UnifiedReward (`think: false`, the default) or UnifiedReward-Think (`think: true`).
 *
 * @throws ConfigError when an option cannot work.
 */
export const createUnifiedRewardProtocol = (options: UnifiedRewardProtocolOptions = {}): JudgeProtocol => {
  const think = options.think ?? false;
  const setup = {
    ...options,
    name: options.name ?? variantName(think ? "unified-reward-think/v1" : "unified-reward/v1", options),
    template: options.template ?? (think ? THINK_TEMPLATE : PLAIN_TEMPLATE),
    labels: { first: FIRST, second: SECOND },
  };
  return assembleProtocol(setup, think ? locateTaggedAnswer : locateStatement);
};

/** For the UnifiedReward models: `unified-reward/v1`. */
export const unifiedRewardProtocol: JudgeProtocol = createUnifiedRewardProtocol();

/** For the UnifiedReward-Think models: `unified-reward-think/v1`. */
export const unifiedRewardThinkProtocol: JudgeProtocol = createUnifiedRewardProtocol({ think: true });
