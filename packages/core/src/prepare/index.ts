/**
 * `@r1reward/core/prepare`: from raw preference data to what a cold start and reinforcement learning take: distil, balance,
 * find copies, choose by difficulty, write. Runs in Node and in browsers.
 */
export { answerBalancer, type BalanceOptions, type BalanceStats } from "./balance.ts";
export { copyIndex, type CopyIndex, type CopyMatch, type CopyOptions, type CopyReason } from "./copies.ts";
export {
  DISTILL_TEMPERATURES,
  distillPair,
  type Attempt,
  type AttemptFault,
  type Distilled,
  type DistillOptions,
} from "./distill.ts";
export {
  fingerprintOf,
  jaccard,
  normalisedWords,
  pictureByName,
  type Fingerprint,
  type PictureKey,
} from "./fingerprint.ts";
export { minHash, nearIndex, type NearIndex } from "./near-index.ts";
export { plainPairRow, type JsonRow, type RowOptions } from "./plain-row.ts";
export { r1RewardRlRow, type R1RewardRlOptions } from "./r1-reward-rl-row.ts";
export { difficultyFilter, difficultyOf, type Difficulty, type SubsetOptions } from "./subset.ts";
