import type { DatasetFormat } from "../format.ts";
import { mmRlhfRewardBenchFormat } from "./mm-rlhf-reward-bench.ts";
import { multimodalRewardBenchFormat } from "./multimodal-reward-bench.ts";
import { plainPairsFormat } from "./plain-pairs.ts";
import { r1RewardRlFormat } from "./r1-reward-rl.ts";
import { vlRewardBenchFormat } from "./vl-reward-bench.ts";

export {
  mmRlhfRewardBenchFormat,
  multimodalRewardBenchFormat,
  plainPairsFormat,
  r1RewardRlFormat,
  vlRewardBenchFormat,
};

/** The formats that are recognised when none is given. */
export const datasetFormats: readonly DatasetFormat[] = Object.freeze([
  plainPairsFormat,
  r1RewardRlFormat,
  vlRewardBenchFormat,
  multimodalRewardBenchFormat,
  mmRlhfRewardBenchFormat,
]);
