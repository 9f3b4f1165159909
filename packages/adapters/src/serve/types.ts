/** Shapes of the reward server: data only. */
import type { JsonValue, MediaSource, Part } from "@r1reward/core";

/** The question as a request states it, before its images were looked up. */
export interface AskedPrompt {
  /** What the judge reads. */
  readonly text: string;
  /** What tells prompts apart: the text as it came, before anything was stripped. */
  readonly raw: string;
  /** Images that came with the request, in the order of the request. */
  readonly media: readonly MediaSource[];
  /** Images that the text's markers or parts promise. */
  readonly promised: number;
  /** The dataset's label column, or what the dialect calls so; `null` when there is none. */
  readonly label: JsonValue;
  /** The record's name in a dataset, when the client says it. */
  readonly id?: string | undefined;
}

/** One answer that wants a reward. */
export interface Submission {
  readonly prompt: AskedPrompt;
  readonly response: string;
  /** The trainer's run, when its address names one: the same prompt in two runs makes two groups. */
  readonly run?: string | undefined;
  /** Name of the group, the same for all siblings; without it the prompt's content tells. */
  readonly group?: string | undefined;
  /** Name of this answer in its group: makes retries certain. */
  readonly member?: string | undefined;
  /** How many siblings there will be, this one included. */
  readonly size?: number | undefined;
  /** A known good answer. */
  readonly reference?: string | undefined;
}

/** Two answers that want to be compared. */
export interface PairAsk {
  readonly prompt: AskedPrompt;
  readonly responses: readonly [string, string];
}

/** How long a dialect's clients wait, and what may be asked of them. Times in milliseconds. */
export interface HoldPolicy {
  /** Longest time one request is held; then it is told to come back, or answered as unscorable. */
  readonly holdMs: number;
  /** From a group's first member to judging it with whoever is there. */
  readonly groupMs: number;
  /** Requests of one client address that are held at once; the next ones are told to come back. No limit without it. */
  readonly maxHeld?: number | undefined;
  /** How often one member may be told to come back (503) in all. */
  readonly maxSheds: number;
  /** The shortest pause the client makes before it repeats a request. */
  readonly retryAfterMs: number;
}

/** Why there is no reward. */
export type UnscorableReason =
  | "alone" // no sibling, no reference, no anchor
  | "judge-failed" // no comparison of it came back with a verdict
  | "deadline" // the client could not be held any longer
  | "too-long" // longer than the server's limit
  | "bad-input"; // the request's entry cannot be read

/** What should be known about a reward that is none the less valid. */
export type RewardFlag =
  | "partial" // judged without all expected siblings
  | "late" // came after its group was judged: measured against the group's frozen members
  | "reference" // measured against a reference or anchors, not against siblings
  | "empty" // an answer of white space
  | "gated" // the group's differences were taken for noise
  | "no-image" // the prompt names an image that could not be found: judged by its text
  | "id-collision"; // its id was taken by another answer

/** One comparison between members of a group, by their places. `null` when there was no verdict. */
export interface ComparisonSummary {
  readonly i: number;
  readonly j: number;
  /** Outcome for `i`. */
  readonly p: number | null;
}

/** How a group was judged; shared by its members. */
export interface GroupSummary {
  readonly members: number;
  readonly expected: number | null;
  readonly calls: number;
  readonly failed: number;
  readonly unreadable: number;
  readonly orderBias: number | null;
  readonly flipRate: number | null;
  readonly spread: number | null;
  readonly comparisons: readonly ComparisonSummary[];
}

/** The answer to one submission. */
export interface MemberResult {
  /** From −1 to 1, mean 0 over the group; `null` when it cannot be told. */
  readonly value: number | null;
  /** Why `value` is `null`. */
  readonly why: UnscorableReason | null;
  readonly flags: readonly RewardFlag[];
  /** Posterior standard deviation of the strength, in logits. */
  readonly uncertainty: number | null;
  readonly group: GroupSummary;
}

/** The answer to one pair. */
export interface PairResult {
  /** The judge could not be asked: the next time it may be. Not so for a critique that names nobody. */
  readonly failed?: boolean | undefined;
  /** P(the first response wins); `null` when it cannot be told. */
  readonly probability: number | null;
  readonly consistent: boolean | null;
  /** The reasoning of the first readable critique. */
  readonly reasoning: string;
}

/** A request as formats see it: its body was read and decoded, its size and nesting checked. */
export interface WireRequest {
  readonly method: string;
  readonly path: string;
  readonly query: ReadonlyMap<string, string>;
  /** `undefined` when the request had no body. */
  readonly body: unknown;
  /** SHA-256 of the body's bytes, hex. */
  readonly digest: string;
  /** Did the body come as msgpack? */
  readonly msgpack: boolean;
  /** Siblings per prompt, as the server was told; `undefined` when nobody said. */
  readonly groupSize: number | undefined;
}

/** What a format answers. */
export interface WireReply {
  readonly status?: number | undefined;
  readonly body: unknown;
  /** Write the body as msgpack. */
  readonly msgpack?: boolean | undefined;
}

/** Answers that belong to a judging request, in the order asked for. */
export interface Outcome {
  readonly results: readonly MemberResult[];
  readonly pairs: readonly PairResult[];
}

/** What a request asks the server to do. */
export type Work =
  | { readonly kind: "reply"; readonly reply: WireReply }
  /** Hold the request until everything is judged. */
  | {
      readonly kind: "judge";
      readonly submissions?: readonly (Submission | BadEntry)[] | undefined;
      readonly pairs?: readonly PairAsk[] | undefined;
      /** Overrides the format's policy for this request. */
      readonly hold?: Partial<HoldPolicy> | undefined;
      /** Write each result as a line of JSON as soon as it is there. */
      readonly stream?: ((result: MemberResult, index: number) => unknown) | undefined;
      readonly encode: (outcome: Outcome) => WireReply;
    }
  /** Register and answer at once with a ticket. */
  | { readonly kind: "submit"; readonly submission: Submission; readonly encode: (ticket: string) => WireReply }
  /** `undefined`: unknown ticket; `null`: not judged yet. */
  | {
      readonly kind: "poll";
      readonly ticket: string;
      readonly encode: (result: MemberResult | null | undefined) => WireReply;
    };

/** An entry of a list that cannot be read: answered as unscorable in its place. */
export interface BadEntry {
  readonly bad: string;
}

/** One route of a format. */
export interface Route {
  readonly method: "GET" | "POST";
  readonly path: string;
}

/** A wire dialect: everything the server knows about one family of clients. To add one, pass it in `formats`. */
export interface WireFormat {
  readonly name: string;
  readonly routes: readonly Route[];
  readonly hold: HoldPolicy;
  /** Bodies are msgpack unless the request says JSON. */
  readonly msgpack?: boolean | undefined;
  /** Reads a request. @throws {WireError} for what this dialect has no better channel for. */
  decode(request: WireRequest): Work;
  /** The body of an error, in the dialect's own shape; `{ error: { message } }` unless given. */
  refuse?(status: number, message: string): unknown;
}

/** A question with its images found, ready to be judged. */
export interface ResolvedQuestion {
  readonly question: readonly Part[];
  /** The prompt names images that were not found. */
  readonly missing: boolean;
}
