/** What tells groups and answers apart. */
import { hash } from "node:crypto";
import { mediaKey } from "./media.ts";
import type { PairAsk, Submission } from "./types.ts";

/** SHA-256 of text or bytes, hex. */
export const digest = (data: string | Uint8Array): string => hash("sha256", data, "hex");

/** SHA-256 of several texts; where one ends and the next begins counts. */
export const digestOf = (...parts: readonly string[]): string => digest(JSON.stringify(parts));

const promptDigest = ({ prompt }: Pick<Submission, "prompt">): string =>
  digestOf(prompt.raw, JSON.stringify(prompt.label), prompt.id ?? "", ...prompt.media.map(mediaKey));

/**
 * A group's key: the client's name for it together with the prompt's content, so that one id for two prompts never mixes
 * them; the content alone when the client names nothing; and the run, so that trainers never meet in one group. `size` 1 keeps a lone answer out of its prompt's groups.
 */
export const groupKey = (submission: Submission): string => {
  const alone = submission.size === 1 ? digest(submission.response) : "";
  const { group = "", reference = "", run } = submission;
  const trainer = run === undefined ? [] : [run];
  return digestOf(group, promptDigest(submission), reference, alone, ...trainer).slice(0, 32);
};

/** A pair's key. */
export const pairKey = (pair: PairAsk): string => digestOf(promptDigest(pair), ...pair.responses);
