/** Options of the model client, checked once. */
import { ConfigError } from "../errors.ts";
import type { Awaitable } from "../interfaces.ts";
import type { JsonValue } from "../types.ts";
import type { VideoPlacement } from "./body.ts";
import type { Clock } from "./clock.ts";
import type { Dialect, Fields } from "./dialect.ts";
import type { ConcurrencyOptions } from "./limiter.ts";
import type { RetryOptions } from "./retry.ts";
import type { Transport } from "./transport.ts";

/** How to reach a model behind an OpenAI-compatible API. */
export interface OpenAICompatibleOptions {
  /** `http://127.0.0.1:8000/v1`, or several replicas of one server. Without a path, `/v1` is meant. */
  readonly baseURL: string | readonly string[];
  /** Name of the model, as the server knows it. */
  readonly model: string;
  /** Sent as a bearer token; a function is asked before each try. Never shown: errors and statistics cut it out. */
  readonly apiKey?: string | (() => Awaitable<string>) | undefined;
  /** Revision of the weights: part of the cache key. */
  readonly revision?: string | undefined;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Which server it is; `auto` (default) asks once, before the first call. */
  readonly dialect?: "auto" | Dialect | undefined;
  /** Milliseconds from a call's first turn to its reply, all tries included. Default 600 000; 0 for none. */
  readonly deadlineMs?: number | undefined;
  readonly concurrency?: ConcurrencyOptions | undefined;
  readonly retry?: RetryOptions | undefined;
  /** Largest response that is read. Default 32 MiB. */
  readonly maxResponseBytes?: number | undefined;
  /** More fields for every request, as the server names them. Options of a call win over them. */
  readonly extraBody?: Readonly<Record<string, JsonValue>> | undefined;
  /** `mm_processor_kwargs` of vLLM, e.g. `{ max_pixels: 501760 }` for the pixels of the authors' evaluation. */
  readonly mmProcessorKwargs?: Readonly<Record<string, JsonValue>> | undefined;
  /** `images` sends the frames of a video as images, even where the server takes videos. Default `auto`. */
  readonly video?: VideoPlacement | undefined;
  /** Milliseconds that one question of the probe may take. Default 5 000. */
  readonly probeTimeoutMs?: number | undefined;
  /** Own HTTP; default undici in Node, `fetch` elsewhere. It is disposed with the client. */
  readonly transport?: Transport | undefined;
  /** Own time, for tests. */
  readonly clock?: Clock | undefined;
  /** Own randomness in [0, 1) for jitter, for tests. */
  readonly random?: (() => number) | undefined;
}

const DAY_MS = 86_400_000;

/** A number of milliseconds or bytes, or the default. */
export const amount = (name: string, value: number | undefined, fallback: number, least: number): number => {
  const given = value ?? fallback;
  if (Number.isFinite(given) && given >= least && given <= Number.MAX_SAFE_INTEGER) return given;
  throw new ConfigError(`${name}: expected a number from ${least}, got ${given}`);
};

/** The deadline in milliseconds; timers cannot wait longer than 24 days, so a day is the most. */
export const deadlineOf = (value: number | undefined): number => {
  const ms = amount("deadlineMs", value, 600_000, 0);
  if (ms > DAY_MS) throw new ConfigError(`deadlineMs: expected at most ${DAY_MS} (a day), or 0 for none, got ${ms}`);
  return ms;
};

const RESERVED = ["model", "messages", "stream", "n"];

const hasNoNumber = (value: JsonValue): boolean => {
  if (typeof value === "number") return !Number.isFinite(value);
  return typeof value === "object" && value !== null && Object.values(value).some(hasNoNumber);
};

/**
 * The fields that every request carries.
 *
 * @throws ConfigError for fields that are the client's own, and for numbers that JSON cannot write.
 */
export const extraFields = (options: OpenAICompatibleOptions): Fields => {
  const extra = options.extraBody ?? {};
  const reserved = RESERVED.find((name) => Object.hasOwn(extra, name));
  if (reserved !== undefined) throw new ConfigError(`extraBody.${reserved}: this field is the client's own`);
  const kwargs = options.mmProcessorKwargs;
  const fields = kwargs === undefined ? { ...extra } : { mm_processor_kwargs: kwargs, ...extra };
  const broken = Object.entries(fields).find(([, value]) => hasNoNumber(value));
  if (broken !== undefined) throw new ConfigError(`extraBody.${broken[0]}: expected finite numbers`);
  return fields;
};

const TOKEN = /^[!#$%&'*+.^_`|~\w-]+$/;
const VALUE = /^[\x20-\x7e]*$/;
const OWN = new Set(["content-length", "content-type", "host", "connection", "transfer-encoding", "accept-encoding"]);
const SECRET_NAME = /auth|key|token|secret|cookie|password|credential/i;

const checkedKey = (key: unknown): string => {
  if (typeof key === "string" && /^[\x21-\x7e]+$/.test(key)) return key;
  throw new ConfigError("apiKey: expected a key of printable ASCII without blanks");
};

const ownHeaders = (given: Readonly<Record<string, string>>): Record<string, string> => {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    const lower = name.toLowerCase();
    if (!TOKEN.test(name)) throw new ConfigError(`headers: expected a header name, got ${JSON.stringify(name)}`);
    if (OWN.has(lower)) throw new ConfigError(`headers.${lower}: this header is the client's own`);
    if (!VALUE.test(value)) throw new ConfigError(`headers.${lower}: expected printable ASCII`);
    headers[lower] = value;
  }
  return headers;
};

/** Headers of a request, and the secrets among them. */
export interface Credentials {
  readonly headers: () => Awaitable<Readonly<Record<string, string>>>;
  readonly secrets: () => readonly string[];
}

/**
 * Headers with the key. A fixed key is joined once; a function is asked each time.
 *
 * @throws ConfigError for what cannot stand in a header; the message never repeats a value.
 */
export const credentials = (options: OpenAICompatibleOptions): Credentials => {
  const base = { "content-type": "application/json", ...ownHeaders(options.headers ?? {}) };
  const hidden = Object.entries(base).flatMap(([name, value]) => (SECRET_NAME.test(name) ? [value] : []));
  const { apiKey } = options;
  if (apiKey === undefined) return { headers: () => base, secrets: () => hidden };
  if (typeof apiKey === "string") {
    const headers = { ...base, authorization: `Bearer ${checkedKey(apiKey)}` };
    return { headers: () => headers, secrets: () => [apiKey, ...hidden] };
  }
  let last: readonly string[] = [];
  return {
    headers: async () => {
      let key: string;
      try {
        key = checkedKey(await apiKey());
      } catch (cause) {
        if (cause instanceof ConfigError) throw cause;
        // The cause is left out: what a key store throws may hold the key.
        throw new ConfigError("apiKey: the function that gives the key failed");
      }
      if (!last.includes(key)) last = [key, ...last].slice(0, 8);
      return { ...base, authorization: `Bearer ${key}` };
    },
    secrets: () => [...last, ...hidden],
  };
};
