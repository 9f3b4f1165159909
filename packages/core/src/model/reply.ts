/** Reads chat completions as the various servers write them. */
import type { Completion, FinishReason, TokenLogp, Usage } from "../types.ts";
import { bodyFailure, excerpt, malformed, type Failure } from "./failure.ts";

type Loose = Readonly<Record<string, unknown>>;

const asRecord = (value: unknown): Loose | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Loose) : undefined;

const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

const FINISH: ReadonlyMap<unknown, FinishReason> = new Map([
  ["stop", "stop"],
  ["eos", "stop"],
  ["length", "length"],
  ["max_tokens", "length"],
  ["content-filter", "content-filter"],
  ["content_filter", "content-filter"],
]);

// The server gave the reply up: what it wrote so far is not the model's answer.
const GIVEN_UP = new Set(["error", "abort", "aborted", "cancelled"]);

/** vLLM writes -9999 where it has no log-probability. */
const MISSING_LOGP = -9999;

const logpOf = (entry: Loose): number | undefined => {
  const value = entry["logprob"];
  return typeof value === "number" && Number.isFinite(value) && value > MISSING_LOGP ? value : undefined;
};

const readTop = (entries: unknown): TokenLogp["top"] =>
  asList(entries).flatMap((value) => {
    const entry = asRecord(value);
    const logp = entry === undefined ? undefined : logpOf(entry);
    const token = entry?.["token"];
    return logp === undefined || typeof token !== "string" ? [] : [{ token, logp }];
  });

/**
 * Log-probabilities of a choice, in nats. Values that are absent, not finite, or vLLM's -9999 are left out; a sampled
 * token without its own value takes it from its alternatives, and is left out when they do not have it either.
 */
export const readLogps = (logprobs: unknown): readonly TokenLogp[] | undefined => {
  const content = asRecord(logprobs)?.["content"];
  if (!Array.isArray(content)) return undefined;
  return content.flatMap((value: unknown) => {
    const entry = asRecord(value);
    const token = entry?.["token"];
    if (entry === undefined || typeof token !== "string") return [];
    const top = readTop(entry["top_logprobs"]);
    const logp = logpOf(entry) ?? top.find((other) => other.token === token)?.logp;
    return logp === undefined ? [] : [{ token, logp, top }];
  });
};

const joinParts = (content: unknown): string => {
  if (typeof content === "string") return content;
  return asList(content)
    .map((part) => asRecord(part)?.["text"])
    .filter((text) => typeof text === "string")
    .join("");
};

/**
 * The whole reply. Where a server cut the thought out into a field of its own, it is put back between its tags, so that
 * the parser sees what the model wrote; the closing tag is left out when the model never came to an answer.
 */
const textOf = (message: Loose, finish: FinishReason): string => {
  const content = joinParts(message["content"]);
  const thought = message["reasoning"] ?? message["reasoning_content"];
  if (typeof thought !== "string" || thought === "" || content.includes("<think>")) return content;
  return content === "" && finish === "length" ? `<think>${thought}` : `<think>${thought}</think>${content}`;
};

const readChoice = (choice: Loose, usage: Usage, latencyMs: number): Completion => {
  const message = asRecord(choice["message"]) ?? {};
  const reason = choice["finish_reason"];
  const refusal = message["refusal"];
  const refused = typeof refusal === "string" && refusal !== "";
  const finishReason = refused ? "content-filter" : (FINISH.get(reason) ?? "other");
  const text = textOf(message, finishReason);
  const logps = readLogps(choice["logprobs"]);
  const whole = { text: text === "" && refused ? refusal : text, finishReason, usage, latencyMs };
  return logps === undefined ? whole : { ...whole, logps };
};

const count = (value: unknown): number | null =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : null;

const readUsage = (body: Loose, share: number): Usage => {
  const usage = asRecord(body["usage"]);
  const written = count(usage?.["completion_tokens"]);
  return {
    promptTokens: count(usage?.["prompt_tokens"]),
    // The server counts all samples of a request together.
    completionTokens: written === null ? null : share === 1 ? written : Math.round(written / share),
  };
};

/** What a body holds: completions, or the reason why there are none. */
export type ReadReply =
  { readonly ok: true; readonly value: readonly Completion[] } | { readonly ok: false; readonly failure: Failure };

const fail = (failure: Failure): ReadReply => ({ ok: false, failure });

const problemOf = (choice: Loose | undefined): Failure | undefined => {
  if (choice === undefined) return malformed("a choice that is no object", "");
  const reason = choice["finish_reason"];
  const inner = bodyFailure({ error: choice["error"] });
  if (inner !== undefined) return inner;
  if (typeof reason === "string" && GIVEN_UP.has(reason)) return malformed(`finish_reason ${reason}`, "");
  return asRecord(choice["message"]) === undefined ? malformed("a choice without a message", "") : undefined;
};

/** Reads a parsed body. Samples after the first carry no prompt tokens: the prompt was read once. */
export const readCompletions = (body: unknown, latencyMs: number): ReadReply => {
  const failed = bodyFailure(body);
  if (failed !== undefined) return fail(failed);
  const choices = asList(asRecord(body)?.["choices"]).map(asRecord);
  if (choices.length === 0) return fail(malformed("a body without choices", excerpt(JSON.stringify(body) ?? "")));
  const usage = readUsage(body as Loose, choices.length);
  const shared = { ...usage, promptTokens: usage.promptTokens === null ? null : 0 };
  const value: Completion[] = [];
  for (const choice of choices) {
    const problem = problemOf(choice);
    if (problem !== undefined) return fail(problem);
    value.push(readChoice(choice!, value.length === 0 ? usage : shared, latencyMs));
  }
  return { ok: true, value };
};

/** Reads the text of a response with status 200. */
export const readReply = (text: string, latencyMs: number): ReadReply => {
  let body: unknown;
  try {
    body = JSON.parse(text) as unknown;
  } catch {
    return fail(malformed("what is no JSON", text));
  }
  return readCompletions(body, latencyMs);
};
