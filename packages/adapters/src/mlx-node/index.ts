/**
 * `@r1reward/adapters/mlx-node`: a reward function for the GRPO trainer of `@mlx-node/trl` (Apple Silicon). Its types are
 * written out here, because the package installs on macOS alone.
 */
import type { Part } from "@r1reward/core";
import { withinGroup } from "../scoring/scalarise.ts";
import { createScoring, numberOf, withHealth } from "../scoring/scoring.ts";
import type { Health, OnErrorNumeric, ScoringOptions } from "../scoring/types.ts";

/** One rollout, as the trainer hands it over; what is used of it. */
export interface MlxRewardOutput {
  readonly prompt: string;
  readonly completion: { readonly text: string };
  readonly expectedAnswer?: string | undefined;
}

/** `rewardFunction` of the trainer's configuration: one number per output, in their order. */
export type MlxRewardFunction = (outputs: MlxRewardOutput[]) => Promise<number[]>;

/** Options of the reward function. */
export type MlxRewardOptions = ScoringOptions<OnErrorNumeric> & {
  /** The pictures of a prompt: the trainer's GRPO path carries text alone. They come before the text. */
  readonly media?: ((prompt: string) => readonly Part[] | Promise<readonly Part[]>) | undefined;
};

/**
 * A reward function: the answers to one prompt against each other (`withinGroup()`), from −1 to 1, unless told
 * otherwise. A thrown error aborts the trainer's step.
 */
export const mlxReward = (options: MlxRewardOptions): MlxRewardFunction & Health => {
  const { media } = options;
  const host = { name: "mlx-node", scalarise: withinGroup(), range: [-1, 1] as const, abstains: false };
  const scoring = createScoring(host, options);
  const reward: MlxRewardFunction = async (outputs) => {
    // Once per prompt, so that the answers to one question have one question.
    const known = new Map<string, Promise<readonly Part[]>>();
    const questionOf = (prompt: string): Promise<readonly Part[]> => {
      const question =
        known.get(prompt) ??
        (async () => [...((await media?.(prompt)) ?? []), { type: "text", text: prompt } as const])();
      known.set(prompt, question);
      return question;
    };
    const sources = outputs.map(({ prompt, completion, expectedAnswer }) => async () => ({
      question: await questionOf(prompt),
      response: completion.text,
      reference: expectedAnswer ?? undefined,
      group: prompt,
    }));
    return (await scoring.scoreAll(sources)).map(numberOf);
  };
  return withHealth(reward, scoring);
};
