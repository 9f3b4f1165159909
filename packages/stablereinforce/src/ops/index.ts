/** Operations with gradients of their own. They run eagerly and compiled. */
export { attention, type AttentionOptions } from "./attention.ts";
export { checkpoint } from "./checkpoint.ts";
export { embedding } from "./embedding.ts";
export { logSoftmax } from "./log-softmax.ts";
export { inverseOf, moveRows } from "./rows.ts";
export { rmsNorm } from "./rms-norm.ts";
export { tokenEntropy } from "./token-entropy.ts";
export { crossEntropy, tokenLogp, type TokenLogpOptions } from "./token-logp.ts";
export { swigluGate } from "./swiglu.ts";
