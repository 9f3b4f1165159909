/** What the fault server answers, and what it does instead. */
import { createHash } from "node:crypto";
import type { ServerResponse } from "node:http";

/** What can go wrong with one request. */
export type FaultKind =
  | "429"
  | "500"
  | "503"
  | "reset" // the connection is reset before anything was answered
  | "half-body" // the connection breaks in the middle of the reply
  | "not-json" // status 200 with a page of HTML
  | "error-200" // status 200 with an error in the body
  | "stall"; // no answer for `stallMs`, then the right one

/** One request as the server read it. */
export interface FaultServerRequest {
  readonly body: Readonly<Record<string, unknown>>;
  /** The texts of all messages, one per line; an image stands as `[image <hash>]`. */
  readonly prompt: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** What to answer. */
export interface FaultServerReply {
  readonly text: string;
  readonly finishReason?: string | undefined;
  /** A thought that the server split off. */
  readonly reasoning?: string | undefined;
  /** As it stands in the choice: `{ content: [{ token, logprob, top_logprobs }] }`. */
  readonly logprobs?: unknown;
}

/** How the server behaves. */
export interface FaultServerOptions {
  /** The reply to a request; `i` counts the earlier replies to the same prompt. Default: a verdict for response 1. */
  readonly reply?: (request: FaultServerRequest, i: number) => string | FaultServerReply;
  readonly faults?: {
    /** Share of the requests that go wrong, 0 to 1. */
    readonly rate: number;
    readonly kinds: readonly FaultKind[];
    /** How long a stall lasts; without it, for ever. */
    readonly stallMs?: number | undefined;
    /** `Retry-After` of 429 and 503: seconds, or a date. */
    readonly retryAfter?: number | string | undefined;
  };
  readonly seed?: number | undefined;
  /** Milliseconds before each answer. */
  readonly delayMs?: number | undefined;
  /** Requests answered at a time; one more gets 503. */
  readonly capacity?: number | undefined;
  /** The only model there is; any other name gets 404. */
  readonly model?: string | undefined;
  /** The key to ask for; any other gets 401. */
  readonly apiKey?: string | undefined;
  /** Further GET routes with their JSON, e.g. `{ "/version": { version: "0.32.0" } }`. */
  readonly routes?: Readonly<Record<string, unknown>> | undefined;
  /** Port to listen on; by default one that is free. */
  readonly port?: number | undefined;
}

const sha = (text: string): string => createHash("sha256").update(text).digest("hex");

/** A number in [0, 1) that depends on nothing but its arguments. */
const draw = (...of: readonly (string | number)[]): number => parseInt(sha(of.join("\n")).slice(0, 12), 16) / 2 ** 48;

const partText = (part: {
  type?: string;
  text?: string;
  image_url?: { url?: string };
  video_url?: { url?: string };
}) =>
  part.type === "text"
    ? (part.text ?? "")
    : `[image ${sha((part.image_url ?? part.video_url)?.url ?? "").slice(0, 12)}]`;

/** The prompt of a request body, as statistics name it. */
export const promptOf = (body: Readonly<Record<string, unknown>>): string => {
  const messages = (Array.isArray(body["messages"]) ? body["messages"] : []) as readonly { content?: unknown }[];
  const texts = messages.flatMap(({ content }) =>
    Array.isArray(content) ? (content as Parameters<typeof partText>[0][]).map(partText) : [String(content)],
  );
  return texts.join("\n");
};

/** Sends a JSON answer. */
export const sendJson = (
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
) => {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(text)),
    ...headers,
  });
  response.end(text);
};

/** An error as the API writes it. */
export const errorJson = (message: string, code: number) => ({
  error: { message, type: "server_error", param: null, code },
});

/** What a running server remembers. */
export interface FaultState {
  readonly options: FaultServerOptions;
  readonly asked: Map<string, number>;
  readonly replies: Map<string, number>;
  readonly faults: Partial<Record<FaultKind, number>>;
  requests: number;
  hungUp: number;
  refused: number;
  atOnce: number;
  mostAtOnce: number;
}

/** What goes wrong with this request, if anything does. */
export const pickFault = (state: FaultState, raw: string): FaultKind | undefined => {
  const { faults, seed = 0 } = state.options;
  const times = state.asked.get(raw) ?? 0;
  state.asked.set(raw, times + 1);
  if (faults === undefined || faults.kinds.length === 0 || draw(seed, times, "fails", raw) >= faults.rate) return;
  const kind = faults.kinds[Math.floor(draw(seed, times, "kind", raw) * faults.kinds.length)]!;
  state.faults[kind] = (state.faults[kind] ?? 0) + 1;
  return kind;
};

const DEFAULT_REPLY = "<think>Response 1 answers what was asked.</think><answer>1</answer>";

const choice = (state: FaultState, request: FaultServerRequest, index: number): unknown => {
  const earlier = state.replies.get(request.prompt) ?? 0;
  const given = state.options.reply?.(request, earlier) ?? DEFAULT_REPLY;
  state.replies.set(request.prompt, earlier + 1);
  const reply: FaultServerReply = typeof given === "string" ? { text: given } : given;
  const message = { role: "assistant", content: reply.text };
  return {
    index,
    message: reply.reasoning === undefined ? message : { ...message, reasoning: reply.reasoning },
    finish_reason: reply.finishReason ?? "stop",
    logprobs: reply.logprobs ?? null,
  };
};

/** The reply as the API writes it; counts it. */
export const completionJson = (state: FaultState, request: FaultServerRequest): string => {
  const n = typeof request.body["n"] === "number" ? request.body["n"] : 1;
  const choices = Array.from({ length: n }, (_, index) => choice(state, request, index));
  const [read, written] = [Math.ceil(request.prompt.length / 4), 12 * n];
  const usage = { prompt_tokens: read, completion_tokens: written, total_tokens: read + written };
  return JSON.stringify({ id: "chatcmpl-1", object: "chat.completion", created: 0, model: "m", choices, usage });
};

/** Answers wrongly, in the given way. Stalls are not this function's. */
export const misbehave = (
  state: FaultState,
  kind: FaultKind,
  request: FaultServerRequest,
  response: ServerResponse,
): void => {
  const wait = state.options.faults?.retryAfter;
  const headers: Record<string, string> = wait === undefined ? {} : { "retry-after": String(wait) };
  if (kind === "429") sendJson(response, 429, errorJson("too many requests", 429), headers);
  else if (kind === "503") sendJson(response, 503, errorJson("server busy", 503), headers);
  else if (kind === "500") sendJson(response, 500, errorJson("engine died", 500));
  else if (kind === "error-200") sendJson(response, 200, errorJson("upstream failed", 502));
  else if (kind === "not-json") response.end("<html><body>Bad gateway</body></html>");
  else if (kind === "reset") response.socket?.resetAndDestroy();
  else {
    const text = completionJson({ ...state, replies: new Map() }, request);
    response.writeHead(200, { "content-type": "application/json", "content-length": String(text.length) });
    response.write(text.slice(0, text.length / 2), () => response.socket?.destroy());
  }
};
