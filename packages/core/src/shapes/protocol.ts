import type { JudgeProtocol } from "../interfaces.ts";
import { defineTaggedProtocol } from "../protocol/define-protocol.ts";

/** A short prompt for small judges; the reply has R1-Reward's grammar. */
export const SHAPES_TEMPLATE =
  "Look at the picture and compare two answers to a question. Think inside <think></think>, " +
  "then write <answer>1</answer> or <answer>2</answer> for the better one.\n" +
  "Question: {question}\nAnswer 1: {answer1}\nAnswer 2: {answer2}";

/** The protocol of small judges of the shapes world: a prompt of 30 words and the parser of `r1Protocol`. */
export const shapesProtocol: JudgeProtocol = defineTaggedProtocol({
  name: "shapes/v1",
  template: SHAPES_TEMPLATE,
  labels: { first: "1", second: "2" },
});
