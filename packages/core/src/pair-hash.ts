import { canonicalJson } from "./canonical-json.ts";
import { sha256 } from "./hash.ts";
import type { JsonValue, MediaSource, Part, Preference } from "./types.ts";

/** Enough of a long payload to tell it from others; hashing megabytes would cost more than the coin is worth. */
const ENDS = 4096;

const describeSource = (source: MediaSource): JsonValue => {
  if ("path" in source) return { path: source.path };
  if ("url" in source) return { url: source.url };
  const data = "bytes" in source ? source.bytes : source.dataUri;
  return { length: data.length, head: sha256(data.slice(0, ENDS)), tail: sha256(data.slice(-ENDS)) };
};

const describePart = (part: Part): JsonValue => {
  if (part.type === "text") return part.text;
  if (part.type === "image") return { image: describeSource(part.image) };
  return { video: "folder" in part.video ? part.video.folder : part.video.frames.map(describeSource) };
};

/**
 * A fair coin that depends on nothing but its inputs: no generator, no order of calls.
 * Question and responses are the pair's; ids are left out because benchmarks repeat them. Media given as bytes or data
 * URIs count with their length and their first and last 4,096 bytes.
 */
export const pairCoin = (pair: Preference, ...salt: readonly JsonValue[]): boolean => {
  const content = [salt, pair.question.map(describePart), pair.responses];
  return Number.parseInt(sha256(canonicalJson(content)).slice(0, 2), 16) % 2 === 1;
};

/**
 * Should the responses be shown in reverse order? Which of the two *texts* comes first is a fair coin that does not
 * know which one is stored first, so the answer for a reversed pair is exactly the opposite one.
 */
export const orderCoin = (pair: Preference, ...salt: readonly JsonValue[]): boolean => {
  const [first, second] = pair.responses;
  const storedInOrder = first <= second;
  const smallerFirst = pairCoin(storedInOrder ? pair : { ...pair, responses: [second, first] }, ...salt);
  return smallerFirst !== storedInOrder;
};
