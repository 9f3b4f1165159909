import { canonicalJson } from "./canonical-json.ts";
import { sha256 } from "./hash.ts";
import type { JsonValue, Preference } from "./types.ts";

/**
 * A fair coin that depends on nothing but its inputs: no generator, no order of calls.
 * Counted are the pair's id and texts. Pictures are not: where a file lies must not change an order, so that a run gives
 * the same orders on another machine.
 */
export const pairCoin = (pair: Preference, ...salt: readonly JsonValue[]): boolean => {
  const texts = pair.question.map((part) => (part.type === "text" ? part.text : { media: part.type }));
  const content = [salt, pair.id, texts, pair.responses];
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
