/** How servers are made to load weights that lie in a folder: one function per kind of server. */
import { ConfigError, messageOf, ModelError, throwIfAborted, type CallOptions, type JsonValue } from "@r1reward/core";

/** A server that can load weights while it runs. */
export interface ReloadServer {
  /** As for `openaiCompatible`: `http://127.0.0.1:8000/v1`. */
  readonly url: string;
  /** Name of the model on that server. */
  readonly model: string;
  /** Sent as a bearer token. */
  readonly apiKey?: string | undefined;
  /** Longest wait for one answer in milliseconds; 300,000 by default. */
  readonly timeoutMs?: number | undefined;
  /** Tries, the first included, of a server that is busy or away (429, 5xx, no connection); 4 by default. */
  readonly attempts?: number | undefined;
  /** Milliseconds to wait before the second try, twice as many before each further one; 1,000 by default. */
  readonly waitMs?: number | undefined;
}

/** Weights in a folder. */
export interface ReloadTarget {
  /** Different for all weights, so that nobody takes old ones for new. */
  readonly name: string;
  /** The folder, as the server sees it. */
  readonly path: string;
}

/** Makes the server load weights. → the model to ask for from then on. */
export type Reload = (target: ReloadTarget, options: CallOptions) => Promise<string>;

const TIMEOUT_MS = 300_000;

/** With `/v1`, which is meant when there is no path, as `openaiCompatible` has it. */
const routeOf = (server: ReloadServer): string => {
  const url = URL.canParse(server.url) ? new URL(server.url) : null;
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new ConfigError(`server url: expected an address of http or https, got ${JSON.stringify(server.url)}`);
  const path = url.pathname.replace(/\/+$/, "");
  return `${url.origin}${path === "" ? "/v1" : path}`;
};

const rootOf = (server: ReloadServer): string => routeOf(server).replace(/\/v1$/, "");

const excerpt = (text: string): string => text.replace(/\s+/g, " ").trim().slice(0, 300);

/** SGLang says `success: false` of weights that it could not load. */
const refused = (text: string): boolean => {
  try {
    return (JSON.parse(text) as { readonly success?: unknown } | null)?.success === false;
  } catch {
    return false;
  }
};

/** Nobody is asked again who said no. */
const isBusy = (status: number | undefined): boolean => status === undefined || status === 429 || status >= 500;

/**
 * Posts JSON to an address once and takes every answer below 300 for a success, unless it says `success: false`.
 * @throws ModelError naming the address and what came back; AbortError
 */
const postOnce = async (
  url: string,
  body: JsonValue,
  { model, apiKey, timeoutMs = TIMEOUT_MS, signal }: Omit<ReloadServer, "url"> & CallOptions,
): Promise<void> => {
  const failed = (problem: string, status?: number, cause?: unknown): ModelError =>
    new ModelError(`POST ${url}: expected the weights to be loaded, ${problem}`, { model, status, retryable: isBusy(status) }, { cause }); // prettier-ignore
  const limit = AbortSignal.timeout(timeoutMs);
  const headers = {
    "content-type": "application/json",
    ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
  };
  try {
    const how = { method: "POST", headers, body: JSON.stringify(body), redirect: "error" } as const;
    const response = await fetch(url, { ...how, signal: AbortSignal.any([limit, ...(signal ? [signal] : [])]) });
    const text = await response.text();
    if (!response.ok || refused(text)) throw failed(`got HTTP ${response.status}: ${excerpt(text)}`, response.status);
  } catch (cause) {
    throwIfAborted(signal);
    if (cause instanceof ModelError) throw cause;
    if (limit.aborted) throw failed(`got no answer within ${timeoutMs / 1000} s`, undefined, cause);
    const { cause: inner } = cause as Error; // fetch hides the reason behind "fetch failed"
    throw failed(`the server cannot be reached: ${messageOf(inner ?? cause)}`, undefined, cause);
  }
};

const pause = (ms: number, signal: AbortSignal | undefined): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done);
  });

/** Posts until the server takes it: loading the same folder twice does no harm. @throws as `postOnce`, after the last try */
const postTo = async (url: string, body: JsonValue, server: Omit<ReloadServer, "url"> & CallOptions): Promise<void> => {
  const { attempts = 4, waitMs = 1000, signal } = server;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await postOnce(url, body, server);
    } catch (error) {
      if (attempt >= attempts || !(error instanceof ModelError && error.retryable)) throw error;
      await pause(waitMs * 2 ** (attempt - 1), signal);
      throwIfAborted(signal);
    }
  }
};

/** SGLang's `/update_weights_from_disk`: the folder of a whole model, under the name it has. */
export const sglangReload =
  (server: ReloadServer): Reload =>
  async ({ path }, { signal }) => {
    await postTo(`${rootOf(server)}/update_weights_from_disk`, { model_path: path }, { ...server, signal });
    return server.model;
  };

/** vLLM refuses a name that it has: after a resumption these are the same weights, since names tell weights apart. */
const isThere = (error: unknown): boolean =>
  error instanceof ModelError && error.status === 400 && /already been loaded/i.test(error.message);

/**
 * vLLM's `/v1/load_lora_adapter` (`VLLM_ALLOW_RUNTIME_LORA_UPDATING=True`, `--enable-lora`): each folder of adapters under a name
 * of its own, and the one before is given up. A server that was started anew does not know the name, and says so: it can never
 * answer with weights that were not meant. Names must differ where weights do; those that are there already are taken as they are.
 *
 * @param onKept Is told when the adapters before could not be given up, which costs the server memory and nothing else.
 */
export const vllmLoraReload = (server: ReloadServer, onKept?: (problem: string) => void): Reload => {
  let before: string | null = null;
  return async ({ name, path }, { signal }) => {
    const route = routeOf(server);
    const lora = `${server.model}-${name}`;
    await postTo(`${route}/load_lora_adapter`, { lora_name: lora, lora_path: path }, { ...server, signal }).catch(
      (error: unknown) => {
        if (!isThere(error)) throw error;
      },
    );
    const old = before;
    before = lora;
    if (old !== null && old !== lora)
      await postTo(`${route}/unload_lora_adapter`, { lora_name: old }, { ...server, signal }).catch(
        (error: unknown) => {
          throwIfAborted(signal);
          onKept?.(messageOf(error));
        },
      );
    return lora;
  };
};

const filled = (value: JsonValue, words: Readonly<Record<string, string>>): JsonValue => {
  if (typeof value === "string") return value.replace(/\{(\w+)\}/g, (whole, word: string) => words[word] ?? whole);
  if (Array.isArray(value)) return value.map((inner) => filled(inner as JsonValue, words));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, filled(inner as JsonValue, words)]));
};

/** Any other server: a POST to an address of yours, with `{folder}`, `{name}` and `{model}` filled in wherever the body has them. */
export const postReload =
  (server: ReloadServer, request: { readonly url: string; readonly body: JsonValue }): Reload =>
  async ({ name, path }, { signal }) => {
    await postTo(request.url, filled(request.body, { folder: path, name, model: server.model }), { ...server, signal });
    return server.model;
  };
