/** What the sampling pool and its workers say to each other. Plain data, so that it can be posted. */
import type { RuntimeName } from "../engine/types.ts";
import type { TransformerConfig } from "../model/config.ts";
import type { Completion, SampleOptions, SamplePrompt } from "../sample/types.ts";
import type { PostedError } from "./posted-error.ts";
import type { SharedWeights } from "./shared-weights.ts";

/** What a worker is started with. */
export interface WorkerSetup {
  readonly config: TransformerConfig;
  readonly runtime: RuntimeName;
  readonly threads: number;
  readonly maxBatch: number;
}

/** From the pool. */
export type Request =
  | {
      readonly kind: "sample";
      readonly id: number;
      readonly weights: SharedWeights;
      readonly prompts: readonly SamplePrompt[];
      readonly options: Omit<SampleOptions, "signal">;
    }
  | { readonly kind: "abort"; readonly id: number }
  | { readonly kind: "close" };

/** A finished sequence, and its place among the prompts that the worker was given. */
export interface Finished {
  readonly completion: Completion;
  readonly place: readonly [prompt: number, sequence: number];
}

/** From a worker: sequences as they are finished, then that all are, or what went wrong. */
export type Reply =
  | { readonly id: number; readonly kind: "some"; readonly finished: readonly Finished[] }
  | { readonly id: number; readonly kind: "done" }
  | { readonly id: number; readonly kind: "failed"; readonly error: PostedError };
