/** The model client: any OpenAI-compatible server as a `ChatModel`. */
import { createTransport } from "#transport";
import { ConfigError, ModelError, throwIfAborted } from "../errors.ts";
import type { CallOptions, ChatModel, SampleOptions } from "../interfaces.ts";
import type { Completion, JsonValue, LoadedPart, Message } from "../types.ts";
import { prepareMessages, requestBody, type PreparedMessages } from "./body.ts";
import { endCalls, runCall, type Engine, type Scope } from "./call.ts";
import { systemClock, watchClock } from "./clock.ts";
import { createWatch } from "./deadline.ts";
import { sampleFields, type Fields, type Spoken } from "./dialect.ts";
import { parseEndpoints, type Endpoint } from "./endpoint.ts";
import { createLimiter, type ReplicaStats } from "./limiter.ts";
import { amount, credentials, deadlineOf, extraFields, type OpenAICompatibleOptions } from "./options.ts";
import { probeServer, type ProbeResult } from "./probe.ts";
import { createBudget, retryPolicy } from "./retry.ts";
import { seedOf, together } from "./samples.ts";
import { createSpeaking, type Speaking } from "./speaking.ts";

/** How a client is doing. Holds no secrets. */
export interface ModelClientStats {
  readonly model: string;
  /** Name of the dialect spoken; `null` before it is known. */
  readonly dialect: string | null;
  readonly serverVersion: string;
  /** Why the dialect could not be found out. */
  readonly probeProblem: string | null;
  readonly requests: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly aborted: number;
  readonly retries: number;
  /** Second tries that the budget would allow now. */
  readonly retryBudget: number;
  /** Calls waiting in line for a turn. */
  readonly waiting: number;
  readonly replicas: readonly ReplicaStats[];
}

/** A chat model behind HTTP. */
export interface OpenAICompatibleModel extends ChatModel, AsyncDisposable {
  completeMany(
    messages: readonly Message<LoadedPart>[],
    n: number,
    options?: SampleOptions,
  ): Promise<readonly Completion[]>;
  /** Asks the server what it is and which models it has. Never throws but for an abort. */
  probe(signal?: AbortSignal): Promise<ProbeResult>;
  stats(): ModelClientStats;
}

const ROUTE = "/chat/completions";

const createEngine = (options: OpenAICompatibleOptions, endpoints: readonly Endpoint[]): Engine => {
  const clock = options.clock ?? systemClock;
  const policy = retryPolicy(options.retry);
  const deadlineMs = deadlineOf(options.deadlineMs);
  const { headers, secrets } = credentials(options);
  const maxResponseBytes = amount("maxResponseBytes", options.maxResponseBytes, 32 * 1024 * 1024, 1);
  const speaker = { model: options.model, where: endpoints.map(({ url }) => url).join(", "), secrets };
  const open = new Set<Scope>();
  return {
    limiter: createLimiter(endpoints, options.concurrency ?? {}, clock.now),
    transport: options.transport ?? createTransport({ maxResponseBytes }),
    budget: createBudget(policy, clock),
    policy,
    clock,
    random: options.random ?? Math.random,
    deadlineMs,
    watch: createWatch({ open, clock: options.clock ?? watchClock, deadlineMs, speaker }),
    headers,
    speaker,
    counts: { requests: 0, succeeded: 0, failed: 0, aborted: 0, retries: 0 },
    open,
  };
};

const createProbe = (options: OpenAICompatibleOptions, engine: Engine, endpoints: readonly Endpoint[]) => {
  const { transport, headers, clock } = engine;
  const { model } = options;
  const given = options.dialect === "auto" ? undefined : options.dialect;
  const timeoutMs = amount("probeTimeoutMs", options.probeTimeoutMs, 5_000, 1);
  const context = { transport, endpoints, headers, secrets: engine.speaker.secrets, clock, model, given, timeoutMs };
  const probe = (): Promise<ProbeResult> => probeServer(context);
  return createSpeaking(given, endpoints, probe, clock);
};

/** The fields of a call; an option that a server cannot take is refused here, before anything is sent. */
type FieldsOf = (spoken: Spoken, options: SampleOptions) => Record<string, JsonValue>;

const fieldsFor = (options: OpenAICompatibleOptions, speaking: Speaking): FieldsOf => {
  const extra = extraFields(options);
  const { model } = options;
  let base: { readonly spoken: Spoken; readonly fields: Fields } | undefined;
  const baseFor = (spoken: Spoken): Fields => {
    if (base?.spoken === spoken) return base.fields;
    const { dialect } = spoken;
    if (!dialect.mmProcessorKwargs && options.mmProcessorKwargs !== undefined) {
      throw new ConfigError(`mmProcessorKwargs: the dialect ${dialect.name} does not read them`);
    }
    base = { spoken, fields: { model, ...dialect.extra, ...extra } };
    return base.fields;
  };
  return (spoken, call) => {
    try {
      return { ...baseFor(spoken), ...sampleFields(call, spoken) };
    } catch (error) {
      const why = speaking.unreachable();
      if (why === undefined || !(error instanceof ConfigError)) throw error;
      // Not the options are at fault: nobody was there to say what the server takes.
      throw new ModelError(`${model}: the server could not be asked what it is: ${why}`, { model, retryable: true });
    }
  };
};

const fingerprintOf = (options: OpenAICompatibleOptions): string | undefined => {
  const { extraBody, mmProcessorKwargs, video } = options;
  const text = JSON.stringify({ extraBody, mmProcessorKwargs, video });
  return text === "{}" ? undefined : text;
};

const checkName = (model: unknown): void => {
  if (typeof model !== "string" || model === "") throw new ConfigError("model: expected the name of a model");
};

interface Asking {
  readonly engine: Engine;
  readonly speaking: Speaking;
  readonly fields: FieldsOf;
  readonly options: OpenAICompatibleOptions;
}

type Prompt = readonly Message<LoadedPart>[];

const complete = async (asking: Asking, messages: Prompt, options: SampleOptions): Promise<Completion> => {
  throwIfAborted(options.signal);
  const spoken = asking.speaking.known() ?? (await asking.speaking.find(options.signal));
  const prepared = prepareMessages(messages, spoken.dialect, asking.options.video);
  const body = requestBody(prepared, asking.fields(spoken, options));
  const completions = await runCall(asking.engine, { path: ROUTE, body }, options.signal);
  return completions[0]!;
};

const sampleOne = async (
  { engine, fields }: Asking,
  spoken: Spoken,
  prepared: PreparedMessages,
  options: SampleOptions,
): Promise<Completion> => {
  const body = requestBody(prepared, fields(spoken, options));
  const completions = await runCall(engine, { path: ROUTE, body }, options.signal);
  return completions[0]!;
};

const completeMany = async (
  asking: Asking,
  messages: Prompt,
  n: number,
  options: SampleOptions,
): Promise<readonly Completion[]> => {
  if (!Number.isSafeInteger(n) || n < 1) throw new ConfigError(`n: expected a whole number from 1, got ${n}`);
  throwIfAborted(options.signal);
  const spoken = asking.speaking.known() ?? (await asking.speaking.find(options.signal));
  const prepared = prepareMessages(messages, spoken.dialect, asking.options.video);
  let done: readonly Completion[] = [];
  if (spoken.dialect.n && n > 1) {
    const body = requestBody(prepared, { ...asking.fields(spoken, options), n });
    done = (await runCall(asking.engine, { path: ROUTE, body }, options.signal)).slice(0, n);
  }
  // What the server does not give in one request is asked for one by one, with the seeds that it would have used.
  const missing = Array.from({ length: n - done.length }, (_, i) => done.length + i);
  const rest = await together(missing, options.signal, (index, signal) =>
    sampleOne(asking, spoken, prepared, { ...options, ...seedOf(options, index), signal }),
  );
  return [...done, ...rest];
};

const statsOf = ({ engine, speaking, options }: Asking): ModelClientStats => ({
  model: options.model,
  dialect: speaking.known()?.dialect.name ?? speaking.last()?.dialect.name ?? null,
  serverVersion: speaking.known()?.version ?? "",
  probeProblem: speaking.last()?.problem ?? null,
  ...engine.counts,
  retryBudget: Math.floor(engine.budget.level()),
  waiting: engine.limiter.waiting(),
  replicas: engine.limiter.stats(),
});

/** A client of endpoints that were checked already, or that only its transport knows. */
export const modelClient = (
  options: OpenAICompatibleOptions,
  endpoints: readonly Endpoint[],
): OpenAICompatibleModel => {
  checkName(options.model);
  const engine = createEngine(options, endpoints);
  const speaking = createProbe(options, engine, endpoints);
  const asking: Asking = { engine, speaking, fields: fieldsFor(options, speaking), options };
  return {
    name: options.model,
    revision: options.revision,
    fingerprint: fingerprintOf(options),
    complete: (messages, call: SampleOptions = {}) => complete(asking, messages, call),
    completeMany: (messages, n, call: SampleOptions = {}) => completeMany(asking, messages, n, call),
    probe: (signal?: CallOptions["signal"]) => speaking.ask(signal),
    stats: () => statsOf(asking),
    [Symbol.asyncDispose]: async () => {
      endCalls(engine);
      await engine.transport[Symbol.asyncDispose]();
    },
  };
};

/**
 * A model behind an OpenAI-compatible API: vLLM, SGLang, llama.cpp, Ollama, OpenAI and others. One deadline per call,
 * retries under a shared budget, concurrency that adapts to refusals, images that are never encoded twice.
 *
 * @throws ConfigError for options that cannot work. Calls throw ConfigError (before anything is sent), MediaError,
 * ModelError and AbortError.
 */
export const openaiCompatible = (options: OpenAICompatibleOptions): OpenAICompatibleModel =>
  modelClient(options, parseEndpoints(options.baseURL));
