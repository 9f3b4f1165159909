/** What differs between OpenAI-compatible servers: data, and two small functions. */
import { ConfigError } from "../errors.ts";
import type { SampleOptions } from "../interfaces.ts";
import type { JsonValue, LoadedImage } from "../types.ts";

/** Fields of a request body. */
export type Fields = Readonly<Record<string, JsonValue>>;

/** A constraint on the reply. */
export type Structured = NonNullable<SampleOptions["structured"]>;

/** How a server is told apart from others. */
export interface Detection {
  /** Route below the server's root, asked with GET. */
  readonly path: string;
  /** Reads the JSON answer: the version (or `""`) when it is this server, `undefined` when not. */
  readonly version: (body: unknown) => string | undefined;
}

/** One kind of server. To add one, write a value of this shape; `openaiCompatible({ dialect })` takes it as it is. */
export interface Dialect {
  /** Stable name, shown in reports. */
  readonly name: string;
  /** Hosts that always speak it. */
  readonly hosts?: readonly string[];
  readonly detect?: Detection;
  /** `owned_by` of the models that this server lists. */
  readonly owner?: string;
  readonly maxTokens: "max_tokens" | "max_completion_tokens";
  /** Field for top-k; `null` when the server has none and would ignore it. */
  readonly topK: "top_k" | null;
  readonly repetitionPenalty: "repetition_penalty" | "repeat_penalty" | null;
  readonly seed: boolean;
  /** Highest temperature that is taken as given. */
  readonly maxTemperature: number;
  /** Most alternatives per token; `null` when log-probabilities are not reported. */
  readonly maxLogprobs: number | null;
  readonly logprobTokenIds: boolean;
  /** Does one request give several samples? If not, the client sends several. */
  readonly n: boolean;
  /** `jpeg-list`: frames as one `video_url` (vLLM). `images`: one image after the other. */
  readonly video: "jpeg-list" | "images";
  readonly mediaTypes: readonly LoadedImage["mediaType"][];
  /** Does it read `mm_processor_kwargs`? */
  readonly mmProcessorKwargs: boolean;
  /** Fields of every request, e.g. to keep the thought in the reply. */
  readonly extra: Fields;
  /** Fields that constrain the reply; `null` when this server cannot. */
  readonly structured: (constraint: Structured, version: string) => Fields | null;
}

/** What is known of a server. */
export interface Spoken {
  readonly dialect: Dialect;
  /** Version of the server; empty when unknown. */
  readonly version: string;
}

const refuse = (dialect: Dialect, option: string, why: string): never => {
  throw new ConfigError(
    `${option}: the dialect ${dialect.name} ${why}; leave the option out, name another dialect, or pass the server's own field in extraBody`,
  );
};

const finite = (name: string, value: number | undefined, low: number, high: number): void => {
  if (value !== undefined && !(Number.isFinite(value) && value >= low && value <= high)) {
    throw new ConfigError(`${name}: expected a number from ${low} to ${high}, got ${value}`);
  }
};

const whole = (name: string, value: number | undefined, low: number): void => {
  if (value !== undefined && !(Number.isSafeInteger(value) && value >= low)) {
    throw new ConfigError(`${name}: expected a whole number from ${low}, got ${value}`);
  }
};

const checkNumbers = (options: SampleOptions, dialect: Dialect): void => {
  finite("temperature", options.temperature, 0, dialect.maxTemperature);
  finite("topP", options.topP, 0, 1);
  finite("repetitionPenalty", options.repetitionPenalty, Number.MIN_VALUE, 100);
  whole("topK", options.topK, -1);
  whole("maxTokens", options.maxTokens, 1);
  whole("seed", options.seed, 0);
  whole("logprobs", options.logprobs, 0);
  for (const id of options.logprobTokenIds ?? []) whole("logprobTokenIds", id, 0);
};

const sampling = (options: SampleOptions, dialect: Dialect): Record<string, JsonValue> => {
  const fields: Record<string, JsonValue> = {};
  if (options.temperature !== undefined) fields["temperature"] = options.temperature;
  if (options.topP !== undefined) fields["top_p"] = options.topP;
  if (options.maxTokens !== undefined) fields[dialect.maxTokens] = options.maxTokens;
  if (options.stop !== undefined && options.stop.length > 0) fields["stop"] = options.stop;
  if (options.topK !== undefined) {
    fields[dialect.topK ?? refuse(dialect, "topK", "has no top-k")] = options.topK;
  }
  if (options.repetitionPenalty !== undefined) {
    const field = dialect.repetitionPenalty ?? refuse(dialect, "repetitionPenalty", "has no repetition penalty");
    fields[field] = options.repetitionPenalty;
  }
  if (options.seed !== undefined) {
    if (!dialect.seed) refuse(dialect, "seed", "ignores seeds");
    fields["seed"] = options.seed;
  }
  return fields;
};

// A server from before logprob_token_ids ignores it; the likeliest tokens then stand in for the wanted ones.
const FALLBACK_TOP = 5;

const logprobs = (options: SampleOptions, dialect: Dialect): Fields => {
  const ids = options.logprobTokenIds ?? [];
  if (options.logprobs === undefined && ids.length === 0) return {};
  const most = dialect.maxLogprobs;
  if (most === null) return refuse(dialect, "logprobs", "reports no log-probabilities");
  if ((options.logprobs ?? 0) > most) return refuse(dialect, "logprobs", `reports at most ${most} alternatives`);
  if (ids.length === 0) return { logprobs: true, top_logprobs: options.logprobs ?? 0 };
  if (!dialect.logprobTokenIds) return refuse(dialect, "logprobTokenIds", "cannot report chosen tokens");
  const top = options.logprobs ?? Math.min(most, Math.max(FALLBACK_TOP, ids.length));
  return { logprobs: true, top_logprobs: top, logprob_token_ids: ids };
};

const structured = (options: SampleOptions, { dialect, version }: Spoken): Fields => {
  const constraint = options.structured;
  if (constraint === undefined) return {};
  if ("choice" in constraint && constraint.choice.length === 0) {
    throw new ConfigError("structured.choice: expected at least one choice, got none");
  }
  const kind = "choice" in constraint ? "choice" : "regex";
  return dialect.structured(constraint, version) ?? refuse(dialect, "structured", `has no ${kind} constraint`);
};

/**
 * The fields that sample options become.
 *
 * @throws ConfigError for a number out of range, and for an option that this server would ignore or refuse.
 */
export const sampleFields = (options: SampleOptions, spoken: Spoken): Record<string, JsonValue> => {
  checkNumbers(options, spoken.dialect);
  return Object.assign(
    sampling(options, spoken.dialect),
    logprobs(options, spoken.dialect),
    structured(options, spoken),
  );
};
