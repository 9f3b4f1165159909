/** Policies: what is trained. */
export { banditPolicy, type BanditOptions } from "./bandit.ts";
export { characterTokenizer, type PolicyTokenizer } from "./tokenizer.ts";
export { transformerPolicy, type TransformerPolicy, type TransformerPolicyOptions } from "./transformer-policy.ts";
export { serverRollouts, type PromptRow, type ServerRolloutsOptions } from "./server-rollouts.ts";
export type * from "./types.ts";
