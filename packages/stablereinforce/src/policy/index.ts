/** Policies: what is trained. */
export { banditPolicy, type BanditOptions } from "./bandit.ts";
export { characterTokenizer, type PolicyTokenizer } from "./tokenizer.ts";
export { transformerPolicy, type TransformerPolicy, type TransformerPolicyOptions } from "./transformer-policy.ts";
export {
  serverRollouts,
  type PromptDifference,
  type PromptRow,
  type ServerRolloutsOptions,
  type SyncWeights,
} from "./server-rollouts.ts";
export {
  postReload,
  sglangReload,
  vllmLoraReload,
  type Reload,
  type ReloadServer,
  type ReloadTarget,
} from "./server-reload.ts";
export type * from "./types.ts";
