import { canonicalJson } from "../canonical-json.ts";
import { sha256 } from "../hash.ts";
import type { ChatModel, SampleOptions } from "../interfaces.ts";
import type { LoadedImage, LoadedPart, Message } from "../types.ts";

/** Raised when the meaning of a key or of what is stored under it changes: old entries are then never found. */
export const CACHE_SCHEMA = 1;

/** Everything that decides what a reply can be. */
export interface CacheKeyInput {
  readonly model: Pick<ChatModel, "name" | "revision" | "fingerprint">;
  /** Name of the protocol, with its preset. */
  readonly protocol: string;
  readonly messages: readonly Message<LoadedPart>[];
  /** Fingerprint of the media loader. Counts only when the messages have media. */
  readonly media?: string | undefined;
  readonly sampling: SampleOptions;
  readonly swapped: boolean;
  readonly sample: number;
}

const describeImage = ({ mediaType, sha256: digest }: LoadedImage) => ({ mediaType, sha256: digest });

const describePart = (part: LoadedPart) => {
  if (part.type === "text") return { type: "text", text: part.text };
  if (part.type === "image") return { type: "image", ...describeImage(part.image) };
  return { type: "video", fps: part.fps, frames: part.frames.map(describeImage) };
};

const hasMedia = (messages: CacheKeyInput["messages"]): boolean =>
  messages.some(({ content }) => content.some(({ type }) => type !== "text"));

/**
 * SHA-256, in hex, over the canonical JSON of everything that matters: an undefined option is one that was left out, and
 * 0, 0.0 and -0 are one number. Every sampling option counts, those added later too; the signal does not.
 *
 * @throws {ConfigError} when a number is not finite.
 */
export const cacheKey = (input: CacheKeyInput): string => {
  const { signal: _signal, ...sampling } = input.sampling;
  const { name, revision, fingerprint } = input.model;
  const described = {
    schema: CACHE_SCHEMA,
    model: { name, revision, fingerprint },
    protocol: input.protocol,
    messages: input.messages.map(({ role, content }) => ({ role, content: content.map(describePart) })),
    media: hasMedia(input.messages) ? input.media : undefined,
    sampling,
    swapped: input.swapped,
    sample: input.sample,
  };
  return sha256(canonicalJson(described, "cache key"));
};
