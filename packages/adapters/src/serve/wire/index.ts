/** The dialects. */
import type { WireFormat } from "../types.ts";
import { enginesFormat } from "./engines.ts";
import { getRewardFormat } from "./get-reward.ts";
import { llamaFactoryFormat } from "./llama-factory.ts";
import { nativeFormat } from "./native.ts";
import { nemoGymFormat } from "./nemo-gym.ts";
import { oatFormat } from "./oat.ts";
import { openaiFormat } from "./openai.ts";
import { rollFormat } from "./roll.ts";
import { slimeFormat } from "./slime.ts";

export {
  enginesFormat,
  getRewardFormat,
  llamaFactoryFormat,
  nativeFormat,
  nemoGymFormat,
  oatFormat,
  openaiFormat,
  rollFormat,
  slimeFormat,
};

/** All dialects that the server speaks unless told otherwise. */
export const wireFormats: readonly WireFormat[] = [
  getRewardFormat,
  slimeFormat,
  nemoGymFormat,
  openaiFormat,
  rollFormat,
  oatFormat,
  llamaFactoryFormat,
  enginesFormat,
  nativeFormat,
];
