/**
 * The scoring endpoints of vLLM and SGLang, for clients that expect a classifier: `/classify`, `/pooling`, `/score` and
 * `/v1/embeddings`. Experimental: a pairwise judge has no score for an answer alone, so all but `/score` with several
 * documents need a reference or anchors, and say so otherwise. An answer without a score is an error.
 */
import { bodyOf, isFields, type Fields } from "../fields.ts";
import { askedPrompt, splitQuery } from "../prompt.ts";
import { saidIn } from "../messages.ts";
import type { MemberResult, Outcome, Submission, WireFormat, WireReply, Work } from "../types.ts";
import { badRequest } from "../wire-error.ts";
import { centred } from "./get-reward.ts";

const refusal = (status: number, message: string): WireReply => ({
  status,
  body: { error: { message, type: "r1reward", code: status } },
});

const REASONS = {
  alone: "a lone answer needs a reference or anchors: start the server with one of them",
  "too-long": "the answer is longer than the server's limit",
  "bad-input": "the answer cannot be read",
} as const;

/**
 * An error for answers without a score, since these replies have no other way to say so, and a score in the middle would
 * pass for a judgement: 422 for what will be no better next time, 503 for what may be.
 */
export const notScored = (results: readonly MemberResult[]): WireReply | undefined => {
  const failed = results.filter(({ value }) => value === null);
  if (failed.length === 0) return undefined;
  for (const { why } of failed) {
    if (why === "alone" || why === "too-long" || why === "bad-input") return refusal(422, REASONS[why]);
  }
  return refusal(503, "the answer could not be judged: ask again");
};

const listFrom = (value: unknown, field: string): readonly unknown[] => {
  if (Array.isArray(value)) return value as readonly unknown[];
  if (value === undefined || value === null) throw badRequest(`${field}: expected text or a list`);
  return [value];
};

const loneText = (value: unknown, field: string): Submission => {
  if (typeof value !== "string") throw badRequest(`${field}: expected text`);
  const { prompt, answer } = splitQuery(value);
  return { prompt: askedPrompt(prompt), response: answer, size: 1 };
};

const loneMessages = (messages: readonly unknown[]): Submission => {
  const last = messages.at(-1);
  if (!isFields(last) || last["role"] !== "assistant") throw badRequest("messages: expected an answer at the end");
  return { prompt: askedPrompt(messages.slice(0, -1)), response: saidIn(last["content"]).text, size: 1 };
};

const lone = (fields: Fields): readonly Submission[] => {
  const { messages } = fields;
  if (Array.isArray(messages)) return [loneMessages(messages)];
  const field = "input" in fields ? "input" : "text";
  return listFrom(fields[field], field).map((value, at) => loneText(value, `${field}[${at}]`));
};

const unit = (result: MemberResult): number => (centred(result) + 1) / 2;

const shapes: Readonly<Record<string, (result: MemberResult, index: number) => unknown>> = {
  "/classify": (result, index) => ({
    index,
    label: "LABEL_0",
    probs: [unit(result)],
    num_classes: 1,
    embedding: [unit(result)],
  }),
  "/pooling": (result, index) => ({ index, object: "pooling", data: [centred(result)] }),
  "/v1/embeddings": (result, index) => ({ index, object: "embedding", embedding: [centred(result)] }),
  "/score": (result, index) => ({ index, object: "score", score: unit(result) }),
};

const scoreText = (value: unknown): string =>
  typeof value === "string" ? value : saidIn(isFields(value) ? (value["content"] ?? value) : value).text;

const scored = (fields: Fields, digest: string): readonly Submission[] => {
  const queries = listFrom(fields["queries"] ?? fields["query"] ?? fields["text_1"], "queries");
  const documents = listFrom(fields["documents"] ?? fields["items"] ?? fields["text_2"], "documents");
  if (queries.length !== 1 && queries.length !== documents.length) {
    throw badRequest(`documents: expected ${queries.length}, got ${documents.length}`);
  }
  const isGroup = queries.length === 1 && documents.length > 1 && documents.length <= 256;
  const size = isGroup ? documents.length : 1;
  return documents.map((document, at) => ({
    prompt: askedPrompt(queries.length === 1 ? queries[0] : queries[at]),
    response: scoreText(document),
    size,
    ...(isGroup ? { group: digest, member: String(at) } : {}),
  }));
};

const decode = (path: string, fields: Fields, digest: string): Work => {
  const submissions = path === "/score" ? scored(fields, digest) : lone(fields);
  const model = typeof fields["model"] === "string" ? fields["model"] : "r1reward";
  const usage = { prompt_tokens: 0, total_tokens: 0, completion_tokens: 0 };
  const isSglang = path === "/classify" && "text" in fields;
  const encode = ({ results }: Outcome): WireReply => {
    const data = results.map(shapes[path]!);
    const whole = { id: `${path.slice(1)}-${digest.slice(0, 32)}`, object: "list", model, data, usage };
    return notScored(results) ?? { body: isSglang ? data : whole };
  };
  return { kind: "judge", submissions, encode };
};

/** Scoring endpoints of inference engines. */
export const enginesFormat: WireFormat = {
  name: "engines",
  routes: Object.keys(shapes).map((path) => ({ method: "POST", path })),
  hold: { holdMs: 100_000, groupMs: 60_000, maxSheds: 3, retryAfterMs: 900 },
  decode: ({ path, body, digest }) => decode(path, bodyOf(body), digest),
};
