/** What can go wrong with one try, and the error it becomes when no try is left. */
import { messageOf, ModelError, type R1Error } from "../errors.ts";
import { redact } from "../redact.ts";
import type { TransportResponse } from "./transport.ts";

/** One try that failed. */
export interface Failure {
  /** What happened, in the server's words where it said something; not yet redacted. */
  readonly message: string;
  readonly status?: number | undefined;
  readonly retryable: boolean;
  /** The server has too much to do (429, 503, 529): fewer requests at a time will help. */
  readonly overload: boolean;
  /** The server, not the request, is at fault: another replica may do better. */
  readonly fault: boolean;
  readonly retryAfterMs?: number | undefined;
}

const RETRYABLE = new Set([408, 409, 425, 429]);
const FINAL = new Set([501, 505]);
const OVERLOAD = new Set([429, 503, 529]);

/** Would the same request have a chance later? */
export const isRetryableStatus = (status: number): boolean =>
  RETRYABLE.has(status) || (status >= 500 && status <= 599 && !FINAL.has(status));

const MAX_DETAIL = 300;

/** The first characters of a server's text, on one line. */
export const excerpt = (text: string): string => {
  const line = text
    .slice(0, MAX_DETAIL * 4)
    .replace(/\s+/g, " ")
    .trim();
  return line.length > MAX_DETAIL ? `${line.slice(0, MAX_DETAIL)}…` : line;
};

const MAX_RETRY_AFTER_MS = 86_400_000;

/**
 * Milliseconds that a server asked to wait: `retry-after-ms`, or `retry-after` in seconds or as a date (RFC 9110,
 * 10.2.3). `undefined` when it did not ask, or not readably.
 */
export const retryAfterOf = (response: Pick<TransportResponse, "header">, now: number): number | undefined => {
  const exact = response.header("retry-after-ms");
  const value = response.header("retry-after");
  let ms = Number.NaN;
  if (exact !== undefined && /^\d+(\.\d+)?$/.test(exact.trim())) ms = Number(exact);
  else if (value !== undefined && /^\d+(\.\d+)?$/.test(value.trim())) ms = Number(value) * 1000;
  // Every HTTP date begins with a weekday; without one, Date.parse would take "-5" for a year.
  else if (value !== undefined && /^[A-Za-z]{3}/.test(value)) ms = Math.max(0, Date.parse(value) - now);
  return Number.isFinite(ms) ? Math.min(ms, MAX_RETRY_AFTER_MS) : undefined;
};

interface ErrorBody {
  readonly message: string;
  /** A number that means the same as an HTTP status. */
  readonly code: number | undefined;
  readonly kind: string;
}

const asRecord = (value: unknown): Readonly<Record<string, unknown>> | undefined =>
  typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;

const codeOf = (value: unknown): number | undefined => {
  const code = typeof value === "string" && /^\d{3}$/.test(value) ? Number(value) : value;
  return typeof code === "number" && Number.isInteger(code) && code >= 400 && code <= 599 ? code : undefined;
};

const stringOf = (value: unknown): string => (typeof value === "string" ? value : "");

/**
 * The error in a JSON body: `{error: {message, code, type}}` (OpenAI, vLLM), `{error: "…"}` (vLLM's 401, Ollama),
 * `{object: "error", message, code}` (SGLang, older vLLM), `{detail}` (FastAPI). `undefined` when there is none.
 */
export const errorBody = (body: unknown): ErrorBody | undefined => {
  const whole = asRecord(body);
  if (whole === undefined) return undefined;
  const inner = whole["error"] ?? (whole["object"] === "error" ? whole : undefined) ?? whole["detail"];
  if (inner === undefined || inner === null || inner === false) return undefined;
  const record = asRecord(inner);
  if (record === undefined) return { message: String(inner), code: undefined, kind: "" };
  return {
    message: stringOf(record["message"]) || JSON.stringify(inner),
    code: codeOf(record["code"]) ?? codeOf(record["status"]),
    kind: `${stringOf(record["type"])} ${stringOf(record["code"])}`,
  };
};

const statusFailure = (status: number, message: string, retryAfterMs?: number): Failure => ({
  message,
  status,
  retryable: isRetryableStatus(status),
  overload: OVERLOAD.has(status),
  fault: status >= 500 && !FINAL.has(status),
  retryAfterMs,
});

const parseOrUndefined = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
};

/** A response with a status other than 2xx. */
export const httpFailure = (response: TransportResponse, now: number): Failure => {
  const said = errorBody(parseOrUndefined(response.text))?.message ?? response.text;
  const failure = statusFailure(response.status, excerpt(said), retryAfterOf(response, now));
  // Servers that know better say so.
  const should = response.header("x-should-retry");
  return should === "true" || should === "false" ? { ...failure, retryable: should === "true" } : failure;
};

const TRANSIENT = /overload|rate.?limit|unavailable|timeout|internal|server.?error|temporar/i;

/** An error that came with status 200, as proxies send it: judged by its own code, else by its type. */
export const bodyFailure = (body: unknown): Failure | undefined => {
  const error = errorBody(body);
  if (error === undefined) return undefined;
  const message = `error in a 200 response: ${excerpt(error.message)}`;
  if (error.code !== undefined) return statusFailure(error.code, message);
  return { message, status: 200, retryable: TRANSIENT.test(error.kind), overload: false, fault: false };
};

/** A reply that cannot be one: cut off on the way, or from something that is no model server. */
export const malformed = (problem: string, text: string): Failure => ({
  message: `expected a chat completion, got ${problem}${text === "" ? "" : `: ${excerpt(text)}`}`,
  status: 200,
  retryable: true,
  overload: false,
  fault: true,
});

const codeOfError = (error: unknown): string => stringOf(asRecord(error)?.["code"]);

/** No whole response came: refused, reset, cut off, or larger than allowed. */
export const networkFailure = (error: unknown): Failure => {
  // By name: a transport may come from another copy of this package.
  const final = error instanceof Error && error.name === "TransportError";
  const nested = error instanceof Error ? error.cause : undefined;
  const code = codeOfError(error) || codeOfError(nested);
  const message = excerpt(messageOf(error)) || "connection failed";
  return {
    message: code === "" || message.includes(code) ? message : `${message} (${code})`,
    retryable: !final,
    overload: false,
    fault: !final,
  };
};

/** Where errors say they come from, and what they must never say. */
export interface Speaker {
  readonly model: string;
  readonly where: string;
  /** Keys and header values: whatever a server echoes, they are cut out. */
  readonly secrets: () => readonly string[];
}

/** Cuts the speaker's secrets and everything that looks like one out of a text. */
export const scrub = (text: string, secrets: readonly string[]): string =>
  redact(secrets.reduce((safe, secret) => (secret === "" ? safe : safe.split(secret).join("[redacted]")), text));

/** A failed call as an error: names the model, the server, the status, the tries, and what the server said. */
export const modelError = (speaker: Speaker, failure: Failure, attempts: number, note = ""): ModelError => {
  const status = failure.status === undefined ? "" : ` HTTP ${failure.status}`;
  const tries = attempts > 1 ? ` after ${attempts} attempts` : "";
  const said = scrub(failure.message, speaker.secrets());
  const text = `${speaker.model} at ${speaker.where}:${status}${tries}: ${said}${note === "" ? "" : `; ${note}`}`;
  return new ModelError(text, {
    model: speaker.model,
    status: failure.status,
    retryable: failure.retryable,
    attempts,
    retryAfterMs: failure.retryAfterMs,
  });
};

/** The error when the deadline of a call has passed. */
export const deadlineError = (speaker: Speaker, deadlineMs: number, attempts: number, last?: Failure): R1Error => {
  const after = last === undefined ? "" : `; last failure: ${scrub(last.message, speaker.secrets())}`;
  const tries = `${attempts} attempt${attempts === 1 ? "" : "s"}`;
  return new ModelError(
    `${speaker.model} at ${speaker.where}: no reply before the deadline of ${deadlineMs} ms (${tries})${after}`,
    { model: speaker.model, status: last?.status, retryable: false, attempts },
  );
};
