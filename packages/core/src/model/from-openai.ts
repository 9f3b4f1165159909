/** A client of the `openai` package as a `ChatModel`. The package is not imported: its client's shape is enough. */
import type { Dialect } from "./dialect.ts";
import { dialects } from "./dialects.ts";
import type { OpenAICompatibleOptions } from "./options.ts";
import { sdkModel, type SdkFailure, type SdkModel, type SdkModelOptions } from "./sdk.ts";

/** What is used of an `OpenAI` client. */
export interface OpenAILike {
  readonly baseURL: string;
  readonly apiKey?: unknown;
  readonly chat: {
    readonly completions: { create(body: object, options?: object): PromiseLike<unknown> };
  };
}

/** Options of `fromOpenAI`. */
export interface FromOpenAIOptions extends SdkModelOptions {
  readonly model: string;
  /** Which server the client talks to. Default: by its host, else `dialects.generic`; nothing is probed. */
  readonly dialect?: Dialect | undefined;
  readonly extraBody?: OpenAICompatibleOptions["extraBody"];
  readonly mmProcessorKwargs?: OpenAICompatibleOptions["mmProcessorKwargs"];
}

/** The longest that the SDK's own timer can be set to; ours ends the call before. */
const NEVER_MS = 2_147_483_647;

const failureOf = (error: unknown): SdkFailure | undefined => {
  if (!(error instanceof Error)) return undefined;
  const { status, headers, error: body } = error as Error & { status?: unknown; headers?: unknown; error?: unknown };
  if (typeof status !== "number") return undefined;
  return {
    status,
    text: JSON.stringify({ error: body ?? error.message }),
    header: (name) => (headers instanceof Headers ? (headers.get(name) ?? undefined) : undefined),
  };
};

const dialectOf = (baseURL: string): Dialect => {
  const host = URL.canParse(baseURL) ? new URL(baseURL).hostname : "";
  return Object.values<Dialect>(dialects).find(({ hosts }) => hosts?.includes(host)) ?? dialects.generic;
};

/**
 * Sends through an `OpenAI` client (version 5 or later), e.g. one that is set up for a gateway already. Each request
 * costs many times the CPU of `openaiCompatible`, and Node's `fetch` below it gives up after 300 s.
 *
 * @throws ConfigError for options that cannot work.
 */
export const fromOpenAI = (client: OpenAILike, options: FromOpenAIOptions): SdkModel => {
  const dialect = options.dialect ?? dialectOf(client.baseURL);
  const apiKey = typeof client.apiKey === "string" && client.apiKey !== "" ? client.apiKey : undefined;
  return sdkModel(
    { ...options, dialect, apiKey },
    client.baseURL,
    (body, signal) => client.chat.completions.create(body, { signal, maxRetries: 0, timeout: NEVER_MS }),
    failureOf,
  );
};
