/** The model client and what it is made of, as far as it is public. */
export * from "./from-ai-sdk.ts";
export * from "./from-openai.ts";
export { dialects } from "./dialects.ts";
export { openaiCompatible, type ModelClientStats, type OpenAICompatibleModel } from "./openai-compatible.ts";
export { TransportError } from "./transport.ts";
export type { VideoPlacement } from "./body.ts";
export type { Clock } from "./clock.ts";
export type { Detection, Dialect, Fields, Structured } from "./dialect.ts";
export type { ConcurrencyOptions, ReplicaStats } from "./limiter.ts";
export type { OpenAICompatibleOptions } from "./options.ts";
export type { ProbeResult } from "./probe.ts";
export type { RetryOptions } from "./retry.ts";
export type { SdkModel, SdkModelOptions } from "./sdk.ts";
export type { Exchange, Transport, TransportOptions, TransportRequest, TransportResponse } from "./transport.ts";
