/** Sampling with a key/value cache. */
export { createSampler, decoderSampler, type Sampler, type SamplerOptions, type SampleSource } from "./sampler.ts";
export type { SampleParams } from "./compiled.ts";
export { sequenceSeed } from "./random.ts";
export type { Alternatives, Completion, HostSampler, OnCompletion, SampleOptions, SamplePrompt } from "./types.ts";
export { promptTokens } from "./decoder.ts";
export type { CacheShape, Decoder, DecodeOutputs, DecodeStep, KeysValues, PromptInputs } from "./decoder.ts";
