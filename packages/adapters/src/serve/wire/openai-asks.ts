/** Reading judge prompts of other projects: pointwise ones, and pairs in R1-Reward's or NeMo's form. */
import { bodyOf, isFields, listOf, type Fields } from "../fields.ts";
import { saidIn } from "../messages.ts";
import { askedPrompt } from "../prompt.ts";
import type { PairAsk, Submission } from "../types.ts";
import { badRequest } from "../wire-error.ts";
import { readJudgePrompt } from "./judge-prompts.ts";

/** A message that was read. */
interface Spoken {
  readonly role: string;
  readonly content: unknown;
  readonly text: string;
}

const messagesOf = (fields: Fields): readonly Spoken[] => {
  const { input } = fields;
  const list =
    typeof input === "string"
      ? [{ role: "user", content: input }]
      : listOf(fields, "messages" in fields ? "messages" : "input");
  return list.map((message, at) => {
    if (!isFields(message) || typeof message["role"] !== "string")
      throw badRequest(`messages[${at}]: expected a message`);
    return { role: message["role"], content: message["content"], text: saidIn(message["content"]).text };
  });
};

const metaOf = (fields: Fields, name: string): string | undefined => {
  const { metadata } = fields;
  const value = isFields(metadata) ? metadata[name] : undefined;
  return typeof value === "string" ? value : undefined;
};

/** NeMo's GenRM roles: `response_1`, `response_2` and `principle` as roles, or under `metadata`. */
export const nemoPair = (body: unknown): PairAsk => {
  const fields = bodyOf(body);
  const messages = messagesOf(fields);
  const said = (role: string): string | undefined =>
    messages.find((message) => message.role === role)?.text ?? metaOf(fields, role);
  const [a, b, principle] = [said("response_1"), said("response_2"), said("principle")];
  if (a === undefined || b === undefined) throw badRequest("messages: expected the roles response_1 and response_2");
  const history = messages.filter(({ role }) => ["system", "user", "assistant"].includes(role));
  const prompt = askedPrompt(history.map(({ role, content }) => ({ role, content })));
  const criteria = principle === undefined ? "" : `\n\nJudge by this principle: ${principle}`;
  return { prompt: { ...prompt, text: prompt.text + criteria, raw: prompt.raw + criteria }, responses: [a, b] };
};

/**
 * The question and the answer of a pointwise judge prompt: as `r1reward: { question, response, reference? }` beside the
 * messages, under headings that are known, or as a conversation that ends with the answer.
 */
export const pointwiseAsk = (body: unknown): Submission & { readonly word?: boolean } => {
  const fields = bodyOf(body);
  const own = fields["r1reward"];
  if (isFields(own) && typeof own["response"] === "string") {
    const { reference } = own;
    const prompt = askedPrompt(own["question"], { images: own["images"], label: own["label"] });
    return { prompt, response: own["response"], size: 1, ...(typeof reference === "string" ? { reference } : {}) };
  }
  const messages = messagesOf(fields);
  const user = messages.findLast(({ role }) => role === "user");
  const found = user === undefined ? undefined : readJudgePrompt(user.text);
  if (found !== undefined) {
    const { question, answer, reference, word } = found;
    const prompt = askedPrompt(question, { images: saidIn(user!.content).media });
    return { prompt, response: answer, size: 1, word, ...(reference === undefined ? {} : { reference }) };
  }
  const last = messages.at(-1);
  if (last?.role === "assistant") {
    const history = messages.slice(0, -1).map(({ role, content }) => ({ role, content }));
    return { prompt: askedPrompt(history), response: last.text, size: 1 };
  }
  throw badRequest(
    "messages: expected a question and an answer under known headings, or a conversation with its answer",
  );
};

const RAW = /^#{4,6} \[(Question|Response 1|Response 2)\]:[ \t]*$/gm;

/** R1-Reward's own judge prompt. A heading that occurs twice is ambiguous: an answer may be trying to end itself early. */
export const rawPair = (body: unknown): PairAsk => {
  const user = messagesOf(bodyOf(body)).findLast(({ role }) => role === "user");
  if (user === undefined) throw badRequest("messages: expected a user turn");
  const found = [...user.text.matchAll(RAW)];
  const names = found.map((match) => match[1]).join();
  if (names !== "Question,Response 1,Response 2") {
    throw badRequest(
      "messages: expected the headings [Question]:, [Response 1]: and [Response 2]: once each, in this order",
    );
  }
  const piece = (at: number): string => {
    const start = found[at]!.index + found[at]![0].length;
    return user.text.slice(start, found[at + 1]?.index ?? user.text.length).trim();
  };
  const end = /\n#{4,6} \*\*Output Format/.exec(piece(2));
  const second = end === null ? piece(2) : piece(2).slice(0, end.index).trim();
  return { prompt: askedPrompt(piece(0), { images: saidIn(user.content).media }), responses: [piece(1), second] };
};
