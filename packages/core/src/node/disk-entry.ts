/**
 * What a cache file holds: one JSON object whose parts stand at fixed places, so that the checksum is taken over the very
 * bytes of the reply and a file that belongs to another key, format or program is told by its first bytes.
 *
 *   {"format":"r1reward-reply/1","key":"<64 hex>","sha256":"<64 hex>","reply":{…}}⏎
 */
import { createHash } from "node:crypto";
import { CACHE_SCHEMA } from "../cache/key.ts";
import { completionProblem, isCompletion } from "../completion-shape.ts";
import { CacheError } from "../errors.ts";
import type { CachedReply } from "../interfaces.ts";

const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

const headOf = (key: string, digest: string): string =>
  `{"format":"r1reward-reply/${CACHE_SCHEMA}","key":"${key}","sha256":"${digest}","reply":`;

const TAIL = Buffer.from("}\n");

/**
 * The bytes to store under a key.
 *
 * @throws {CacheError} when the reply is no completion or holds a number that JSON cannot say.
 */
export const encodeEntry = (key: string, reply: CachedReply): Uint8Array => {
  const problem = completionProblem(reply);
  if (problem !== null) throw new CacheError(`cache entry ${key}: ${problem}`);
  const body = Buffer.from(JSON.stringify(reply));
  return Buffer.concat([Buffer.from(headOf(key, digestOf(body))), body, TAIL]);
};

const parsed = (body: Buffer): unknown => {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
};

/** The reply stored under a key; undefined when a single bit is not as it was written. */
export const decodeEntry = (key: string, bytes: Uint8Array): CachedReply | undefined => {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const bodyAt = headOf(key, "0".repeat(64)).length;
  if (file.length < bodyAt + TAIL.length) return undefined;
  const body = file.subarray(bodyAt, -TAIL.length);
  const head = Buffer.from(headOf(key, digestOf(body)));
  if (!head.equals(file.subarray(0, bodyAt)) || !TAIL.equals(file.subarray(-TAIL.length))) return undefined;
  const reply = parsed(body);
  return isCompletion(reply) ? reply : undefined;
};
