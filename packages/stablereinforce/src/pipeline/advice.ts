/** What to lower when memory runs out. */
import { isR1Error, messageOf } from "@r1reward/core";
import { EngineError, isEngineError } from "../engine/errors.ts";

/** Words of V8 and of typed arrays that could not be had; what ONNX Runtime says is told apart by the engine. */
const ALLOCATION = /array buffer allocation failed|invalid (typed )?array (buffer )?length|out of memory/i;

const WHAT_TO_LOWER: Readonly<Record<"sft" | "rl" | "evaluation", string>> = {
  sft: "set engine.arena: false; lower sft.microBatch, data.maxPixels or the longest reply; train with model.lora, or set model.checkpoint: true",
  rl: "set engine.arena: false; lower rl.microBatch, rl.maxTokens, data.maxPixels or engine.maxBatch; train with model.lora, or set model.checkpoint: true",
  evaluation: "lower evaluation.batch, evaluation.maxTokens or data.maxPixels",
};

/** Did an allocation fail? */
export const isOutOfMemory = (error: unknown): boolean =>
  isEngineError(error) ? error.reason === "out-of-memory" : !isR1Error(error) && ALLOCATION.test(messageOf(error));

/** Runs work; when memory runs out the error says what to lower. @throws EngineError `out-of-memory`, and what the work throws */
export const adviseOnMemory = async <T>(what: keyof typeof WHAT_TO_LOWER, work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (cause) {
    if (!isOutOfMemory(cause)) throw cause;
    const problem = isEngineError(cause) ? cause.problem : messageOf(cause);
    const short = problem.length > 300 ? `${problem.slice(0, 300)}…` : problem;
    throw new EngineError(
      `${what}: out of memory (${short}). What helps: ${WHAT_TO_LOWER[what]}; \`r1reward train … --dry-run\` shows what a run needs`,
      { reason: "out-of-memory" },
      { cause },
    );
  }
};
