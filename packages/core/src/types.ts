/**
 * The data that flows through judging: shapes only, no behaviour.
 *
 *   dataset → prompt → model → parse → verdict → aggregate → reward
 *
 * Log-probabilities are in nats and always named `logp…`.
 */

/** Any JSON value. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/**
 * Where an image lies. The kind is always spelled out, so that a string found in a data file can never become a file
 * read or a request: `path` needs a media loader with a root folder, `url` one with allowed hosts.
 */
export type MediaSource =
  { readonly bytes: Uint8Array } | { readonly dataUri: string } | { readonly path: string } | { readonly url: string };

/** A video is a list of frames in time order, or a folder of frame images (sorted by name, then sampled). */
export type VideoSource = { readonly frames: readonly MediaSource[] } | { readonly folder: string };

/** Text of a message or question. */
export interface TextPart {
  readonly type: "text";
  readonly text: string;
}

/** One image of a question. */
export interface ImagePart {
  readonly type: "image";
  readonly image: MediaSource;
}

/** One video of a question. */
export interface VideoPart {
  readonly type: "video";
  readonly video: VideoSource;
}

/** One piece of a question: text, image or video. */
export type Part = TextPart | ImagePart | VideoPart;

/** An image that was read, checked against the limits and encoded once; reused for every order and sample. */
export interface LoadedImage {
  readonly mediaType: "image/png" | "image/jpeg" | "image/webp" | "image/gif";
  /** Pixels, from the header of the bytes that will be sent. */
  readonly width: number;
  readonly height: number;
  /** Base64 of the image, as ASCII bytes, ready to be spliced into a request body. */
  readonly base64: Uint8Array;
  /** SHA-256 of the bytes that will be sent, lower-case hex. */
  readonly sha256: string;
}

/** An image part whose image was loaded. */
export interface LoadedImagePart {
  readonly type: "image";
  readonly image: LoadedImage;
}

/** A video part whose frames were sampled and loaded. */
export interface LoadedVideoPart {
  readonly type: "video";
  readonly frames: readonly LoadedImage[];
  /** Frames per second that the model is told; the paper's evaluation uses 2. */
  readonly fps: number;
}

/** What a chat model receives: everything has been read already. */
export type LoadedPart = TextPart | LoadedImagePart | LoadedVideoPart;

/** One turn of a chat. */
export interface Message<P = Part> {
  readonly role: "system" | "user" | "assistant";
  readonly content: readonly P[];
}

/** Index into `Preference.responses`. */
export type Winner = 0 | 1;

/** One question, two answers and, when there is one, the human's choice. */
export interface Preference {
  /** Name of the record in its source; benchmarks repeat it, so it is not a key. */
  readonly id: string;
  readonly question: readonly Part[];
  readonly responses: readonly [string, string];
  readonly human?: Winner | undefined;
  /** Records that belong together (MM-RLHF-RewardBench's Acc+ counts groups that are wholly right). */
  readonly group?: string | undefined;
  /** What else the source says: category, image path, model names. Never sent to a judge. */
  readonly meta?: Readonly<Record<string, JsonValue>> | undefined;
}

/** Why a critique yields no verdict. */
export type UnreadableReason =
  | "no-answer" // no closed <answer> after the last closed thought
  | "bad-answer" // an answer that is not exactly one of the allowed labels
  | "cut-off" // the model hit its token limit or never closed its thought
  | "refused" // the provider filtered the reply, or the model declined
  | "empty" // nothing was written
  | "too-long"; // longer than the parser's cap

/** What one critique says about a pair, in the order the pair was shown unless stated otherwise. */
export type Verdict =
  | { readonly kind: "winner"; readonly winner: Winner }
  | { readonly kind: "tie" }
  | { readonly kind: "unreadable"; readonly why: UnreadableReason };

/** Tokens that a request cost; `null` when the server does not say. */
export interface Usage {
  readonly promptTokens: number | null;
  readonly completionTokens: number | null;
}

/** Why a model stopped writing. */
export type FinishReason = "stop" | "length" | "content-filter" | "other";

/** A sampled token with its log-probability and the likeliest alternatives. */
export interface TokenLogp {
  readonly token: string;
  /** Nats. */
  readonly logp: number;
  readonly top: readonly { readonly token: string; readonly logp: number }[];
}

/** One sampled reply of a chat model. */
export interface Completion {
  readonly text: string;
  readonly finishReason: FinishReason;
  readonly usage: Usage;
  readonly logps?: readonly TokenLogp[] | undefined;
  /** Milliseconds from sending the request to having the whole reply. */
  readonly latencyMs: number;
}

/** Something a user should know about a judgment that is none the less valid. */
export type JudgeWarning =
  | "markers-neutralised" // control markers such as <|im_end|> were defused in untrusted text
  | "answer-tag-in-input" // a response contains <answer> or </think> itself
  | "not-cached" // the reply could not be stored: asking again costs again
  | "reference-mode"; // the reference repository's parser or placement was used

/** One critique of one pair, in one order. */
export interface Judgment {
  /** In the pair's own order: already un-swapped. */
  readonly verdict: Verdict;
  /** The thought that led to the verdict, without its tags; empty when none could be read. */
  readonly reasoning: string;
  /** The whole reply. */
  readonly text: string;
  /** True when the responses were shown in reverse order. */
  readonly swapped: boolean;
  /** P(responses[0] wins) at the answer token, when the model gave log-probabilities; already un-swapped. */
  readonly probability?: number | undefined;
  readonly usage: Usage;
  readonly latencyMs: number;
  /**
   * True when the reply came from the cache, or from another caller's request that was under way, and cost nothing:
   * `usage` and `latencyMs` are then those of the request that paid for it.
   */
  readonly cached: boolean;
  readonly warnings: readonly JudgeWarning[];
}

/** How a probability came about. */
export type ProbabilitySource = "logprob" | "votes" | "swap";

/** Many critiques of one pair, counted. */
export interface Decision {
  readonly verdict: Verdict;
  /** Readable votes for responses[0] and responses[1]. */
  readonly votes: readonly [number, number];
  readonly ties: number;
  readonly unreadable: number;
  /** Did both orders name the same winner? `null` when only one order was read. */
  readonly consistent: boolean | null;
  /** P(responses[0] wins), with where it came from; `null` when nothing was readable. */
  readonly probability: number | null;
  readonly probabilitySource: ProbabilitySource | null;
  readonly judgments: readonly Judgment[];
}

/** One finished rollout: what a reward function looks at. */
export interface Sample<Truth = unknown> {
  readonly id: string;
  readonly prompt: readonly Message[];
  readonly text: string;
  readonly finishReason: FinishReason;
  readonly truth: Truth;
}

/** A reward and its parts; `null` means "cannot tell" and is never replaced by a number. */
export interface Reward {
  readonly value: number | null;
  readonly parts: Readonly<Record<string, number | null>>;
}
