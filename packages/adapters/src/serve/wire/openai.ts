/**
 * `/v1/chat/completions` and `/v1/responses`: the server as a judge model. The model's name says which judge prompt is
 * spoken. Pairs are judged directly; a lone answer is measured against its reference or the server's anchors.
 */
import { bodyOf } from "../fields.ts";
import type { Outcome, PairResult, WireFormat, WireReply, WireRequest, Work } from "../types.ts";
import { badRequest } from "../wire-error.ts";
import { notScored } from "./engines.ts";
import { nemoPair, pointwiseAsk, rawPair } from "./openai-asks.ts";

type Speak = (text: string, status: string) => WireReply;

/** One judge prompt that is spoken. */
interface Persona {
  readonly model: string;
  readonly work: (request: WireRequest, speak: Speak) => Work;
}

const round = (value: number): string => String(Math.round(value * 100) / 100);

/** A value from −1 to 1 in the words that were asked for. */
type Say = (
  value: number,
  how: { readonly word?: boolean | undefined; readonly reference?: string | undefined },
) => string;

/** From −1…1 to 0…10, as `[[7.5]]`. */
const points: Say = (value) => `[[${round(5 + 5 * value)}]]`;

/** Against a reference yes means "no worse than it": a right answer to be told from another is a toss-up. */
const yesNo: Say = (value, { word = false, reference }) => {
  const good = reference === undefined ? value > 0 : value >= 0;
  if (word) return good ? "yes" : "no";
  return `${good ? "Yes" : "No"}. \\boxed{${good ? "True" : "False"}}`;
};

const pointwise =
  (say: Say, hold: { holdMs: number; maxSheds: number }): Persona["work"] =>
  ({ body }, speak) => {
    const { word, ...submission } = pointwiseAsk(body);
    const encode = ({ results }: Outcome): WireReply =>
      notScored(results) ?? speak(say(results[0]!.value!, { word, reference: submission.reference }), "scored");
    return { kind: "judge", submissions: [submission], hold, encode };
  };

/** NeMo's scales: scores 1 to 5, ranking 1 (the first is much better) to 6. */
const ranked = ({ probability: p }: PairResult): string => {
  const first = p ?? 0.5;
  return JSON.stringify({
    score_1: Number(round(1 + 4 * first)),
    score_2: Number(round(5 - 4 * first)),
    ranking: Number(round(6 - 5 * first)),
  });
};

/** As R1-Reward writes it. A tie names nobody. */
const verdict = ({ probability: p, reasoning }: PairResult): string => {
  const answer = p === null || p === 0.5 ? "" : `<answer>${p > 0.5 ? 1 : 2}</answer>`;
  return `<think>${reasoning}</think>${answer}`;
};

const failed = (): WireReply => ({
  status: 503,
  body: { error: { message: "the pair could not be judged", type: "r1reward", code: 503 } },
});

const paired =
  (read: typeof nemoPair, say: (result: PairResult) => string): Persona["work"] =>
  ({ body }, speak) => ({
    kind: "judge",
    pairs: [read(body)],
    encode: ({ pairs: [pair] }: Outcome) => (pair!.probability === null ? failed() : speak(say(pair!), "scored")),
  });

/** The first is what clients find that take the server's first model. */
const PERSONAS: readonly Persona[] = [
  // ms-swift waits 120 s and takes any failure for 0.
  { model: "r1reward-pointwise", work: pointwise(points, { holdMs: 110_000, maxSheds: 0 }) },
  // verl's recipe waits 30 s and tries 3 times.
  { model: "r1reward-yesno", work: pointwise(yesNo, { holdMs: 25_000, maxSheds: 1 }) },
  { model: "r1reward-nemo-genrm", work: paired(nemoPair, ranked) },
  { model: "r1reward-raw", work: paired(rawPair, verdict) },
];

const created = 1_760_000_000;

const chatReply =
  (model: string, id: string): Speak =>
  (content, status) => ({
    body: {
      id: `chatcmpl-${id}`,
      object: "chat.completion",
      created,
      model,
      choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop", logprobs: null }],
      usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 },
      r1reward: { status },
    },
  });

const responsesReply =
  (model: string, id: string): Speak =>
  (text, status) => ({
    body: {
      id: `resp_${id}`,
      object: "response",
      created_at: created,
      status: "completed",
      model,
      output: [
        {
          id: `msg_${id}`,
          type: "message",
          role: "assistant",
          status: "completed",
          content: [{ type: "output_text", text, annotations: [] }],
        },
      ],
      parallel_tool_calls: false,
      tool_choice: "none",
      tools: [],
      r1reward: { status },
    },
  });

const models = (): Work => {
  const data = PERSONAS.map(({ model }) => ({ id: model, object: "model", created, owned_by: "r1reward" }));
  return { kind: "reply", reply: { body: { object: "list", data } } };
};

const ask = (request: WireRequest): Work => {
  const fields = bodyOf(request.body);
  const { model } = fields;
  const persona = PERSONAS.find((one) => one.model === model);
  if (persona === undefined) {
    throw badRequest(`model: expected one of ${PERSONAS.map((one) => one.model).join(", ")}`);
  }
  if (fields["stream"] === true) throw badRequest("stream: expected false");
  const id = request.digest.slice(0, 24);
  const speak = request.path === "/v1/responses" ? responsesReply : chatReply;
  return persona.work(request, speak(persona.model, id));
};

/** The server as an OpenAI-compatible judge. */
export const openaiFormat: WireFormat = {
  name: "openai",
  routes: [
    { method: "GET", path: "/v1/models" },
    { method: "POST", path: "/v1/chat/completions" },
    { method: "POST", path: "/v1/responses" },
  ],
  hold: { holdMs: 110_000, groupMs: 60_000, maxSheds: 2, retryAfterMs: 500 },
  decode: (request) => (request.method === "GET" ? models() : ask(request)),
};
