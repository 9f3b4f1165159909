import type { JudgeProtocol } from "../interfaces.ts";
import { defineTaggedProtocol } from "../protocol/define-protocol.ts";

/**
 * A short prompt for judges that were trained on it: they know what to do, and every token of it would be paid for in each step of
 * training. The reply has R1-Reward's grammar.
 */
export const SHAPES_TEMPLATE =
  "Question: {question}\nAnswer 1: {answer1}\nAnswer 2: {answer2}\nWhich answer is better?";

/** The protocol of small judges of the shapes world: a prompt of 10 words and the parser of `r1Protocol`. */
export const shapesProtocol: JudgeProtocol = defineTaggedProtocol({
  name: "shapes/v1",
  template: SHAPES_TEMPLATE,
  labels: { first: "1", second: "2" },
});
