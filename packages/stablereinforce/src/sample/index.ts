/** Sampling from the transformer with a key/value cache. */
export { createSampler, type OnCompletion, type Sampler, type SamplerOptions } from "./sampler.ts";
export type { SampleParams } from "./compiled.ts";
export { sequenceSeed } from "./random.ts";
export type { Completion, SampleOptions, SamplePrompt } from "./types.ts";
