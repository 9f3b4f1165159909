/** What the pool of judging workers and its workers say to each other. Plain data, so that it can be posted. */
import type { Completion, LoadedPart, Message, SampleOptions } from "@r1reward/core";
import type { OpenLocalModelOptions } from "./open-here.ts";
import type { PostedError } from "./posted-error.ts";

/** What a worker is started with. */
export interface JudgeSetup {
  readonly path: string;
  /** Of the folder's files: read once for all workers. */
  readonly revision: string;
  readonly options: Omit<OpenLocalModelOptions, "engine" | "signal" | "workers">;
}

/** From the pool. */
export type JudgeRequest =
  | {
      readonly kind: "complete";
      readonly id: number;
      readonly messages: readonly Message<LoadedPart>[];
      readonly n: number;
      readonly options: Omit<SampleOptions, "signal">;
    }
  | { readonly kind: "abort"; readonly id: number }
  | { readonly kind: "close" };

/** What a model is known by. */
export interface Identity {
  readonly name: string;
  readonly revision: string | undefined;
  readonly fingerprint: string | undefined;
}

/** From a worker. Id 0 is its start. */
export type JudgeReply =
  | { readonly id: 0; readonly opened: Identity }
  | { readonly id: number; readonly made: readonly Completion[] }
  | { readonly id: number; readonly error: PostedError };
