/**
 * `/get_reward`: OpenRLHF (one answer per request, or a whole rollout batch), OpenRLHF-M and lmm-r1 (prompts as JSON
 * messages), R1-Reward's own trainer, and align-anything (`prompts` and `responses`).
 */
import { bodyOf, listOf, type Fields } from "../fields.ts";
import { answerIn, askedPrompt, splitQuery } from "../prompt.ts";
import type { BadEntry, MemberResult, Outcome, Submission, WireFormat, WireReply } from "../types.ts";
import { batched } from "./batch.ts";

const columnOf = (fields: Fields, name: string, at: number): unknown => {
  const value = fields[name];
  return Array.isArray(value) ? (value as readonly unknown[])[at] : undefined;
};

const entryOf = (fields: Fields, at: number): Submission | BadEntry => {
  const query = columnOf(fields, "query", at);
  const response = columnOf(fields, "responses", at);
  const given = columnOf(fields, "prompts", at);
  const beside = { label: columnOf(fields, "labels", at), images: columnOf(fields, "images", at) };
  if (given !== undefined && given !== null && typeof given !== "string" && typeof given !== "object") {
    return { bad: `prompts[${at}]: expected text or messages` };
  }
  if (typeof response === "string") return { prompt: askedPrompt(given, beside), response };
  if (typeof query !== "string") return { bad: `query[${at}]: expected text` };
  if (given === undefined || given === null) {
    const split = splitQuery(query);
    return { prompt: askedPrompt(split.prompt, beside), response: split.answer };
  }
  const raw = typeof given === "string" ? given : JSON.stringify(given);
  return { prompt: askedPrompt(given, beside), response: answerIn(query, raw) };
};

/** Rewards centred at 0; unscorable is 0, which for a centred reward says nothing. */
export const centred = ({ value }: MemberResult): number => value ?? 0;

const has = (flag: MemberResult["flags"][number]) => (result: MemberResult) => Number(result.flags.includes(flag));

/** Logs must be numbers under the same names for every sample: others crash the trainer. */
const LOGS: Readonly<Record<string, (result: MemberResult) => number>> = {
  judge_failed: ({ value }) => Number(value === null),
  group_size: ({ group }) => group.members,
  group_partial: has("partial"),
  group_late: has("late"),
  against_reference: has("reference"),
  image_missing: has("no-image"),
  uncertainty: ({ uncertainty }) => uncertainty ?? 0,
};

const encode = ({ results }: Outcome): WireReply => ({
  body: {
    rewards: results.map(centred),
    scores: results.map((result) => (centred(result) + 1) / 2),
    extra_logs: Object.fromEntries(Object.entries(LOGS).map(([name, read]) => [name, results.map(read)])),
  },
});

/** Longest of the columns: a shorter one leaves entries that cannot be read, not an answer of the wrong length. */
const lengthOf = (fields: Fields): number =>
  Math.max(...["query", "prompts", "responses", "labels"].map((name) => listOf(fields, name).length));

/** OpenRLHF's reward server, and its relatives. */
export const getRewardFormat: WireFormat = {
  name: "get-reward",
  routes: [
    { method: "POST", path: "/get_reward" },
    { method: "POST", path: "/get_reward_mllm" },
  ],
  // OpenRLHF waits 180 s and tries 5 times, a second apart.
  hold: { holdMs: 150_000, groupMs: 100_000, maxSheds: 3, retryAfterMs: 900 },
  decode(request) {
    const fields = bodyOf(request.body);
    const entries = Array.from({ length: lengthOf(fields) }, (_, at) => entryOf(fields, at));
    // align-anything waits 100 s and tries 3 times.
    const hold = Array.isArray(fields["responses"]) ? { holdMs: 90_000, groupMs: 60_000, maxSheds: 1 } : {};
    return { kind: "judge", submissions: batched(entries, request), hold, encode };
  },
  refuse: (_status, message) => ({ error: message, rewards: [] }),
};
