/**
 * `/get_feedback`: oat's remote oracle, msgpack. It gives up on a request after 5 s and tries 10 times, so slow pairs are
 * judged on while it asks again.
 */
import { bodyOf, listOf, type Fields } from "../fields.ts";
import { askedPrompt } from "../prompt.ts";
import type { BadEntry, Outcome, PairAsk, Submission, WireFormat, WireReply } from "../types.ts";
import { badRequest } from "../wire-error.ts";
import { batched } from "./batch.ts";

const promptsOf = (fields: Fields): readonly string[] =>
  listOf(fields, "batch_prompt").map((prompt, at) => {
    if (typeof prompt === "string") return prompt;
    throw badRequest(`batch_prompt[${at}]: expected text`);
  });

const pairOf = (prompt: string, candidates: unknown, at: number): PairAsk => {
  const [a, b, ...more] = Array.isArray(candidates) ? (candidates as readonly unknown[]) : [];
  if (typeof a !== "string" || typeof b !== "string" || more.length > 0) {
    throw badRequest(`batch_candidates[${at}]: expected two texts`);
  }
  return { prompt: askedPrompt(prompt), responses: [a, b] };
};

const sameLength = (name: string, list: readonly unknown[], prompts: readonly string[]): void => {
  if (list.length === 0 || list.length === prompts.length) return;
  throw badRequest(`${name}: expected ${prompts.length} entries, got ${list.length}`);
};

/** oat's remote reward model oracle. */
export const oatFormat: WireFormat = {
  name: "oat",
  routes: [{ method: "POST", path: "/get_feedback" }],
  msgpack: true,
  hold: { holdMs: 4000, groupMs: 20_000, maxSheds: 8, retryAfterMs: 900 },
  decode({ body, digest, groupSize, msgpack }) {
    const fields = bodyOf(body);
    const prompts = promptsOf(fields);
    const candidates = listOf(fields, "batch_candidates");
    const responses = listOf(fields, "batch_response");
    sameLength("batch_candidates", candidates, prompts);
    sameLength("batch_response", responses, prompts);
    const entries = responses.map((response, at): Submission | BadEntry =>
      typeof response === "string"
        ? { prompt: askedPrompt(prompts[at]!), response }
        : { bad: `batch_response[${at}]: expected text` },
    );
    const encode = ({ results, pairs }: Outcome): WireReply => {
      // The client asks again, and raises in the end; of any number it would make a winner.
      if (pairs.some(({ failed }) => failed === true)) return { status: 503, msgpack, body: { error: "not judged" } };
      const batch_score = results.map(({ value }) => value ?? 0);
      // 0.5 for a pair whose judge was asked and named nobody: a tie.
      return {
        msgpack,
        body: { batch_score, batch_first_win_prob: pairs.map(({ probability }) => probability ?? 0.5) },
      };
    };
    return {
      kind: "judge",
      submissions: batched(entries, { digest, groupSize }),
      pairs: candidates.map((pair, at) => pairOf(prompts[at]!, pair, at)),
      encode,
    };
  },
};
