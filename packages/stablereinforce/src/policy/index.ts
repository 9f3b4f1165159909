/** Policies: what is trained. */
export { banditPolicy, type BanditOptions } from "./bandit.ts";
export { characterTokenizer, type PolicyTokenizer } from "./tokenizer.ts";
export { transformerPolicy, type TransformerPolicy, type TransformerPolicyOptions } from "./transformer-policy.ts";
export type * from "./types.ts";
