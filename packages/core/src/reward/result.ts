import { RewardError } from "../errors.ts";
import type { JudgeProtocol, Reading } from "../interfaces.ts";
import { r1Protocol } from "../protocol/r1.ts";
import type { Sample, Winner } from "../types.ts";
import { defineReward, type DefinedReward } from "./define.ts";

/** Whose reply is being rewarded. */
export interface ProtocolRewardOptions {
  /** Reads the critique, as it does when the model serves; `r1Protocol` unless told otherwise. */
  readonly protocol?: JudgeProtocol | undefined;
}

/** What a critique says and whether that is right. */
export interface Graded {
  readonly reading: Reading;
  /** `null` when the critique names no winner. */
  readonly winner: Winner | null;
  readonly right: boolean;
}

/** Reads a critique and compares it with the truth. @throws {RewardError} when the truth is neither 0 nor 1. */
export const gradeSample = (name: string, protocol: JudgeProtocol, sample: Sample<Winner>): Graded => {
  const { truth, text, finishReason } = sample;
  if (truth !== 0 && truth !== 1) {
    throw new RewardError(name, sample.id, `truth: expected 0 or 1, got ${String(truth)}`);
  }
  const reading = protocol.parse({ text, finishReason });
  const winner = reading.verdict.kind === "winner" ? reading.verdict.winner : null;
  return { reading, winner, right: winner === truth };
};

/**
 * 1 when the critique names the response that the human preferred, else 0 (paper, section 3). `truth` is the place of that
 * response in the order in which the critique's prompt showed them. Never `null`: a policy whose verdict cannot be read
 * has failed at its task. (The reference implementation gives 1 when its verifier throws.)
 */
export const resultReward = ({ protocol = r1Protocol }: ProtocolRewardOptions = {}): DefinedReward<Winner> =>
  defineReward({ name: "result", score: (sample) => (gradeSample("result", protocol, sample).right ? 1 : 0) });
