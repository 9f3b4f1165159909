/** What the sampling pool and its workers say to each other. Plain data, so that it can be posted. */
import type { HostTensor } from "../engine/tensor.ts";
import type { RuntimeName } from "../engine/types.ts";
import type { TransformerConfig } from "../model/config.ts";
import type { TransformerParams } from "../model/params.ts";
import type { Completion, SampleOptions, SamplePrompt } from "../sample/types.ts";

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
      /** Absent when the worker has them already. */
      readonly params: TransformerParams<HostTensor> | undefined;
      readonly prompts: readonly SamplePrompt[];
      readonly options: Omit<SampleOptions, "signal">;
    }
  | { readonly kind: "abort"; readonly id: number };

/** From a worker. */
export type Reply =
  | { readonly id: number; readonly made: Completion[][] }
  | { readonly id: number; readonly error: { readonly code: string | undefined; readonly message: string } };
