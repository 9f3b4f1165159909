/** A language model of the AI SDK as a `ChatModel`. The package is not imported: the model's shape is enough. */
import type { Dialect } from "./dialect.ts";
import { dialects } from "./dialects.ts";
import type { JsonValue } from "../types.ts";
import { sdkModel, type SdkBody, type SdkFailure, type SdkModel, type SdkModelOptions } from "./sdk.ts";

/** What is used of a language model: specification v2 (`ai` 5) or v3 (`ai` 6). */
export interface AISDKLike {
  readonly provider: string;
  readonly modelId: string;
  doGenerate(options: object): PromiseLike<unknown>;
}

/** Options of `fromAISDK`. */
export interface FromAISDKOptions extends SdkModelOptions {
  /** Passed to the provider as they are; part of the cache key. */
  readonly providerOptions?: Readonly<Record<string, Readonly<Record<string, JsonValue>>>> | undefined;
}

// The AI SDK has no `n`, no log-probabilities and no repetition penalty; what the provider lacks besides, it warns of.
const aiSdk: Dialect = { ...dialects.generic, name: "ai-sdk", topK: "top_k", maxLogprobs: null };

interface WirePart {
  readonly type: string;
  readonly text?: string;
  readonly image_url?: { readonly url: string };
}

interface WireMessage {
  readonly role: string;
  readonly content: string | readonly WirePart[];
}

const DATA_URI = /^data:([^;,]+);base64,/;

const promptPart = (part: WirePart): object => {
  const url = part.image_url?.url;
  if (url === undefined) return { type: "text", text: part.text ?? "" };
  const [lead = "", mediaType = ""] = DATA_URI.exec(url) ?? [];
  return { type: "file", mediaType, data: url.slice(lead.length) };
};

const promptMessage = ({ role, content }: WireMessage): object => {
  const parts = typeof content === "string" ? [{ type: "text", text: content }] : content.map(promptPart);
  if (role !== "system") return { role, content: parts };
  // A system message is one string there.
  const texts = typeof content === "string" ? [content] : content.map(({ text }) => text ?? "");
  return { role, content: texts.join("\n") };
};

const callOptions = (body: SdkBody, signal: AbortSignal): object => {
  const given = {
    maxOutputTokens: body["max_tokens"],
    temperature: body["temperature"],
    topP: body["top_p"],
    topK: body["top_k"],
    seed: body["seed"],
    stopSequences: body["stop"],
    providerOptions: body["provider_options"],
  };
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  const messages = body["messages"] as readonly WireMessage[];
  return { ...Object.fromEntries(set), prompt: messages.map(promptMessage), abortSignal: signal };
};

interface Generated {
  readonly content: readonly { readonly type: string; readonly text?: string }[];
  readonly finishReason: string | { readonly unified: string };
  readonly usage?: { readonly inputTokens?: Tokens; readonly outputTokens?: Tokens };
  readonly warnings?: readonly { readonly type: string; readonly feature?: string; readonly setting?: string }[];
}

type Tokens = number | undefined | { readonly total: number | undefined };

const count = (tokens: Tokens): number | undefined => (typeof tokens === "object" ? tokens.total : tokens);

const joined = (reply: Generated, type: string): string =>
  reply.content.flatMap((part) => (part.type === type ? [part.text ?? ""] : [])).join("");

/** The reply in the form of the chat completions API. What the provider ignored makes it an error. */
const wireReply = (reply: Generated): object => {
  const ignored = (reply.warnings ?? []).flatMap((warning) =>
    warning.type.startsWith("unsupported") ? [warning.feature ?? warning.setting ?? "a setting"] : [],
  );
  if (ignored.length > 0) {
    return { error: { code: 400, message: `the provider ignores ${ignored.join(", ")}: leave it out` } };
  }
  const { finishReason, usage } = reply;
  const message = { content: joined(reply, "text"), reasoning: joined(reply, "reasoning") };
  const reason = typeof finishReason === "string" ? finishReason : finishReason.unified;
  return {
    choices: [{ message, finish_reason: reason }],
    usage: { prompt_tokens: count(usage?.inputTokens), completion_tokens: count(usage?.outputTokens) },
  };
};

const failureOf = (error: unknown): SdkFailure | undefined => {
  if (!(error instanceof Error)) return undefined;
  const { statusCode, responseHeaders, responseBody } = error as Error & {
    statusCode?: unknown;
    responseHeaders?: Readonly<Record<string, string>>;
    responseBody?: unknown;
  };
  if (typeof statusCode !== "number") return undefined;
  const text = typeof responseBody === "string" && responseBody !== "" ? responseBody : error.message;
  return { status: statusCode, text, header: (name) => responseHeaders?.[name] };
};

/**
 * Sends through a language model of the AI SDK, whatever its provider. `generateText` and its retries are passed by.
 * Several samples are several requests; there are no log-probabilities.
 *
 * @throws ConfigError for options that cannot work. Calls throw a `ModelError` when the provider warns that it ignores
 * an option.
 */
export const fromAISDK = (model: AISDKLike, options: FromAISDKOptions = {}): SdkModel => {
  const { providerOptions, ...rest } = options;
  const extraBody = providerOptions === undefined ? {} : { extraBody: { provider_options: providerOptions } };
  return sdkModel(
    { ...rest, ...extraBody, model: model.modelId, dialect: aiSdk },
    model.provider,
    async (body, signal) => wireReply((await model.doGenerate(callOptions(body, signal))) as Generated),
    failureOf,
  );
};
