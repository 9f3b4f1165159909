/** Entries of one request that answer the same prompt are a group. */
import type { BadEntry, Submission, WireRequest } from "../types.ts";

type Entry = Submission | BadEntry;

const promptOf = (entry: Entry): string | undefined =>
  "bad" in entry ? undefined : JSON.stringify([entry.prompt.raw, entry.prompt.label, entry.prompt.id]);

/**
 * Names the groups in a request: contiguous entries with the same prompt. With a known group size a run that is no
 * multiple of it is left to the rendezvous, for the rest of it comes in another request; without one a run of one is.
 * The digest names the request, so that a repeat of it finds its groups again.
 */
export const batched = (
  entries: readonly Entry[],
  request: Pick<WireRequest, "digest" | "groupSize">,
): readonly Entry[] => {
  const named: Entry[] = [...entries];
  for (let start = 0; start < entries.length;) {
    const prompt = promptOf(entries[start]!);
    let end = start + 1;
    while (end < entries.length && prompt !== undefined && promptOf(entries[end]!) === prompt) end += 1;
    const length = end - start;
    const size = request.groupSize ?? length;
    const whole = prompt !== undefined && length > 1 && length % size === 0 && size <= 256;
    for (let at = start; whole && at < end; at++) {
      const group = `${request.digest}#${Math.floor((at - start) / size)}@${start}`;
      named[at] = { ...(entries[at] as Submission), group, member: String(at), size };
    }
    start = end;
  }
  return named;
};
