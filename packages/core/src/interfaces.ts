/** The things people implement. Each is an object of functions: no base class, no registry. */
import type {
  Completion,
  Decision,
  Judgment,
  LoadedImage,
  LoadedPart,
  LoadedVideoPart,
  MediaSource,
  Message,
  Part,
  Preference,
  Reward,
  Sample,
  Verdict,
  VideoSource,
  JudgeWarning,
} from "./types.ts";

/** A value or a promise of it. */
export type Awaitable<T> = T | Promise<T>;

/** Every asynchronous call can be cancelled. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** How to sample a reply. What is left out is left to the server; temperature and length should never be. */
export interface SampleOptions extends CallOptions {
  readonly temperature?: number | undefined;
  readonly topP?: number | undefined;
  readonly topK?: number | undefined;
  readonly repetitionPenalty?: number | undefined;
  readonly maxTokens?: number | undefined;
  readonly seed?: number | undefined;
  readonly stop?: readonly string[] | undefined;
  /** Alternatives per token to report with log-probabilities; 0 asks for the sampled token's alone. */
  readonly logprobs?: number | undefined;
  /** Vocabulary ids whose log-probabilities are wanted at each position (vLLM). */
  readonly logprobTokenIds?: readonly number[] | undefined;
  /** Constrain the reply, where the server can. */
  readonly structured?: { readonly choice: readonly string[] } | { readonly regex: string } | undefined;
}

/** Who writes text: the only I/O of judging. */
export interface ChatModel {
  /** Stable name: part of the cache key and of every report. */
  readonly name: string;
  /** Revision of the weights, when known: part of the cache key. */
  readonly revision?: string | undefined;
  /** Settings of the client that change replies (extra fields, pixel limits): part of the cache key. */
  readonly fingerprint?: string | undefined;
  complete(messages: readonly Message<LoadedPart>[], options?: SampleOptions): Promise<Completion>;
  /** Several samples of one prompt in one request; without it, `complete` is called n times. */
  completeMany?(
    messages: readonly Message<LoadedPart>[],
    n: number,
    options?: SampleOptions,
  ): Promise<readonly Completion[]>;
}

/** Reads images and videos, checks them against limits, and encodes each once. */
export interface MediaLoader {
  /** Everything that changes what the model sees (pixel budget, resize): part of the cache key. */
  readonly fingerprint: string;
  image(source: MediaSource, options?: CallOptions): Promise<LoadedImage>;
  video(source: VideoSource, options?: CallOptions): Promise<LoadedVideoPart>;
}

/** What a protocol reads out of a reply. */
export interface Reading {
  readonly verdict: Verdict;
  readonly reasoning: string;
  /**
   * P(first shown response wins) at the answer token, when log-probabilities came with the reply.
   */
  readonly probability?: number | undefined;
}

/** The part of a completion that a parser needs. Without a finish reason the reply counts as whole. */
export type Reply = Pick<Completion, "text"> & Partial<Omit<Completion, "text">>;

/** How to ask and how to read, together: a prompt and its parser cannot drift apart. */
export interface JudgeProtocol {
  /** Stable name with its version or preset, e.g. `r1/eval`. */
  readonly name: string;
  /** The messages that ask about the pair, in the order its responses stand. Untrusted text is neutralised. */
  prompt(pair: Preference): readonly Message[];
  /** What `prompt` had to change in this pair, or what the reader of the verdict should know about it. */
  warnings?(pair: Preference): readonly JudgeWarning[];
  /** Reads a reply. Never throws, whatever was written: what cannot be read is `unreadable`. */
  parse(reply: Reply): Reading;
}

/** Which critique of a pair is wanted. */
export interface JudgeOptions extends CallOptions {
  /** Show the responses in reverse order; the verdict is un-swapped before it is returned. */
  readonly swapped?: boolean | undefined;
  /** Which of several samples: sample 0 uses the seed as given, sample k the seed + k. */
  readonly sample?: number | undefined;
  /**
   * How many samples of this order are being taken in all. More than one is only worth taking at a temperature above 0,
   * so a judge samples with temperature 1 then, unless it was told otherwise.
   */
  readonly samples?: number | undefined;
}

/** Judges one pair in one order. */
export interface PairwiseJudge {
  readonly name: string;
  judge(pair: Preference, options?: JudgeOptions): Promise<Judgment>;
}

/** Decides pairs and rewards answers. */
export interface RewardModel {
  readonly name: string;
  /** Both orders, k votes, one decision. */
  compare(pair: Preference, options?: CallOptions): Promise<Decision>;
  /** Rewards for a group of answers to one question, centred at 0; `null` where nothing could be told. */
  score(question: readonly Part[], responses: readonly string[], options?: CallOptions): Promise<readonly Reward[]>;
}

/** What a reward function may return: a number, `null` for "cannot tell", or a reward with parts. */
export type RewardResult = number | null | Reward;

/** Rewards one sample. User code may throw plain errors: they are wrapped with the reward's name and the sample's id. */
export interface RewardFunction<Truth = unknown> {
  readonly name: string;
  score(sample: Sample<Truth>, options?: CallOptions): Awaitable<RewardResult>;
}

/** Rewards a whole group at once, when a sample's reward depends on its siblings. */
export interface GroupRewardFunction<Truth = unknown> {
  readonly name: string;
  scoreGroup(samples: readonly Sample<Truth>[], options?: CallOptions): Awaitable<readonly RewardResult[]>;
}

/** Persistent store of replies. `get` of a corrupt or foreign entry is a miss, never an error. */
export interface ResponseCache extends AsyncDisposable {
  get(key: string): Promise<CachedReply | undefined>;
  /** Rejects with a `CacheError` when nothing was stored, and counts it: the reply itself is not lost by that. */
  set(key: string, reply: CachedReply): Promise<void>;
  stats(): CacheStats;
}

/** Counted since the cache was opened. */
export interface CacheStats {
  readonly hits: number;
  /** Every `get` that found nothing, corrupt entries included. */
  readonly misses: number;
  readonly corrupt: number;
  readonly writes: number;
  readonly writeErrors: number;
}

/** What the cache keeps: a whole reply that could be read. */
export type CachedReply = Completion;
