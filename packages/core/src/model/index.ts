/** Models over HTTP: the public names of this room. */
export { openaiCompatible, type ModelClientStats, type OpenAICompatibleModel } from "./openai-compatible.ts";
export type { OpenAICompatibleOptions } from "./options.ts";
export type { Clock } from "./clock.ts";
export type { ConcurrencyOptions, ReplicaStats } from "./limiter.ts";
export type { Dialect } from "./dialect.ts";
export * from "./dialects.ts";
export type { ProbeResult } from "./probe.ts";
export type { RetryOptions } from "./retry.ts";
export type { VideoPlacement } from "./body.ts";
export {
  TransportError,
  type Exchange,
  type Transport,
  type TransportOptions,
  type TransportRequest,
  type TransportResponse,
} from "./transport.ts";
