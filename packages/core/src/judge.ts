/** Composes pair → prompt → media → cache or model → parse → judgment. */
import { cacheKey } from "./cache/key.ts";
import { canonicalJson } from "./canonical-json.ts";
import { coalescing, type Coalesce } from "./coalesce.ts";
import { completionProblem } from "./completion-shape.ts";
import { AbortError, boundary, CacheError, ConfigError, messageOf, ModelError, throwIfAborted } from "./errors.ts";
import type {
  CallOptions,
  ChatModel,
  JudgeOptions,
  JudgeProtocol,
  MediaLoader,
  PairwiseJudge,
  Reading,
  ResponseCache,
  SampleOptions,
} from "./interfaces.ts";
import { loadMessages } from "./load-messages.ts";
import { sampleBatches, type Seat } from "./sample-batch.ts";
import { swapPair, swapVerdict } from "./swap.ts";
import type { Completion, Judgment, LoadedPart, Message, Preference } from "./types.ts";

/** What a judge needs besides a model and a protocol. */
export interface JudgeWithOptions {
  /** Reads images and videos. A pair that has one is refused without it. */
  readonly media?: MediaLoader | undefined;
  /**
   * How to sample. Left out: temperature 0 when an order is sampled once and 1 when it is sampled several times (section 6
   * of the paper), 4,096 tokens at most, no seed.
   */
  readonly sampling?: Omit<SampleOptions, "signal"> | undefined;
  /** Where whole, readable replies are kept. */
  readonly cache?: ResponseCache | undefined;
  /**
   * Most samples of one order of a pair to ask for in one request (`n`), of those that are wanted at the same time and not in the
   * cache; 1 by default. The prompt, pictures included, is then sent and paid for once. The price: all of them come when the slowest has
   * come, and a request that fails fails for all. Where a seed is given, samples are asked for one by one whatever this
   * says, because servers differ in what a seed means for several; and so they are where the model has no `completeMany`.
   */
  readonly samplesPerRequest?: number | undefined;
}

interface Question {
  readonly messages: readonly Message<LoadedPart>[];
  readonly sampling: SampleOptions;
  readonly key: string;
  /** Equal for all samples of this order. */
  readonly prompt: () => string;
}

interface Answer {
  readonly reply: Completion;
  readonly reading: Reading;
  readonly fromCache: boolean;
  readonly lost: boolean;
}

const MAX_TOKENS = 4096;

const samplingFor = (given: SampleOptions, sample: number, samples: number): SampleOptions => {
  const told = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as SampleOptions;
  return {
    temperature: samples > 1 ? 1 : 0,
    maxTokens: MAX_TOKENS,
    ...told,
    ...(told.seed === undefined ? {} : { seed: told.seed + sample }),
  };
};

const checkSample = (sample: number): void => {
  if (!Number.isSafeInteger(sample) || sample < 0) {
    throw new ConfigError(`sample: expected a whole number of at least 0, got ${sample}`);
  }
};

interface Asking extends Question {
  /** Where samples of this order wait for each other; nothing when they are asked for one by one. */
  readonly seat: Seat | undefined;
}

const complete = async (model: ChatModel, question: Asking, signal: AbortSignal): Promise<Completion> => {
  const { messages, sampling, prompt, seat } = question;
  const data = { model: model.name, retryable: false };
  const wrap = (cause: unknown) =>
    signal.aborted
      ? new AbortError("aborted by the caller", { cause: signal.reason })
      : new ModelError(`${model.name}: ${messageOf(cause)}`, data, { cause });
  const reply = await boundary(wrap, () =>
    seat === undefined
      ? model.complete(messages, { ...sampling, signal })
      : seat.ask({ messages, sampling, prompt: prompt(), signal }),
  );
  const problem = completionProblem(reply);
  if (problem !== null) throw new ModelError(`${model.name}: reply.${problem}`, data);
  return reply;
};

const promptWith = (protocol: JudgeProtocol, shown: Preference): Promise<readonly Message[]> =>
  boundary(
    (cause) => new ConfigError(`protocol ${protocol.name}: prompt: ${messageOf(cause)}`, { cause }),
    () => protocol.prompt(shown),
  );

const parseWith = (protocol: JudgeProtocol, reply: Completion): Reading => {
  try {
    return protocol.parse(reply);
  } catch (cause) {
    throw new ConfigError(`protocol ${protocol.name}: parse must never throw: ${messageOf(cause)}`, { cause });
  }
};

/** Cut-off, filtered and unreadable replies are asked for again next time. */
const isWorthKeeping = ({ finishReason }: Completion, { verdict }: Reading): boolean =>
  verdict.kind !== "unreadable" && finishReason !== "length" && finishReason !== "content-filter";

const recall = async (cache: ResponseCache | undefined, key: string, protocol: JudgeProtocol) => {
  const wrap = (cause: unknown) => new CacheError(`reading the cache: ${messageOf(cause)}`, { cause });
  const reply = await boundary(wrap, () => cache?.get(key));
  if (reply === undefined) return undefined;
  const reading = parseWith(protocol, reply);
  return isWorthKeeping(reply, reading) ? { reply, reading, fromCache: true, lost: false } : undefined;
};

/** A reply that was paid for is worth more than the cache: a failed write is counted by the cache and reported, no more. */
const remember = async (cache: ResponseCache, key: string, reply: Completion): Promise<boolean> => {
  try {
    await cache.set(key, reply);
    return true;
  } catch {
    return false;
  }
};

const judgmentOf = (
  protocol: JudgeProtocol,
  shown: Preference,
  swapped: boolean,
  answer: Answer & { cached: boolean },
) => {
  const { verdict, reasoning, probability: p } = answer.reading;
  const probability = p !== undefined && p >= 0 && p <= 1 ? { probability: swapped ? 1 - p : p } : {};
  const warnings = protocol.warnings?.(shown) ?? [];
  const judgment: Judgment = {
    verdict: swapped ? swapVerdict(verdict) : verdict,
    reasoning,
    text: answer.reply.text,
    swapped,
    ...probability,
    usage: answer.reply.usage,
    latencyMs: answer.reply.latencyMs,
    cached: answer.cached,
    warnings: answer.lost ? [...warnings, "not-cached"] : warnings,
  };
  return judgment;
};

/** What a judge answers questions with. */
interface Desk {
  readonly model: ChatModel;
  readonly protocol: JudgeProtocol;
  readonly cache: ResponseCache | undefined;
  readonly share: Coalesce<Answer>;
}

const ask = async ({ model, protocol, cache }: Desk, question: Asking, signal: AbortSignal): Promise<Answer> => {
  const known = await recall(cache, question.key, protocol);
  if (known !== undefined) return known;
  const reply = await complete(model, question, signal);
  const reading = parseWith(protocol, reply);
  const keep = cache !== undefined && isWorthKeeping(reply, reading);
  return { reply, reading, fromCache: false, lost: keep && !(await remember(cache, question.key, reply)) };
};

/** Answers a question, or waits for the answer when somebody has asked it; whatever becomes of it, nobody goes on waiting for its seat. */
const answer = async (desk: Desk, prepared: Promise<Question>, call: CallOptions & Pick<Asking, "seat">) => {
  const { seat, signal } = call;
  const work = { begun: false };
  try {
    const question = await prepared;
    const start = (ends: AbortSignal): Promise<Answer> => {
      work.begun = true;
      return ask(desk, { ...question, seat }, ends).finally(() => seat?.leave());
    };
    const shared = desk.share(question.key, start, signal);
    if (!work.begun) seat?.leave();
    return await shared;
  } finally {
    if (!work.begun) seat?.leave();
  }
};

const batchesFor = (model: ChatModel, { sampling, samplesPerRequest: most = 1 }: JudgeWithOptions) => {
  if (!Number.isSafeInteger(most) || most < 1) {
    throw new ConfigError(`samplesPerRequest: expected a whole number of at least 1, got ${most}`);
  }
  const possible = most > 1 && model.completeMany !== undefined && sampling?.seed === undefined;
  return possible ? sampleBatches(model, most) : undefined;
};

/**
 * A judge that asks a chat model the way a protocol says.
 *
 * Two calls for the same critique at the same time make one request. Replies that are whole and readable are cached;
 * cut-off, refused, unreadable ones and errors are not.
 *
 * @throws {ConfigError} when the sampling options cannot be part of a cache key, or a pair has media and there is no loader.
 * @throws {MediaError} what the loader refuses.
 * @throws {ModelError} when the model does not answer.
 * @throws {CacheError} when the cache cannot be read. One that cannot be written shows as the warning `not-cached`.
 * @throws {AbortError} when the signal fires.
 */
export const judgeWith = (model: ChatModel, protocol: JudgeProtocol, options: JudgeWithOptions = {}): PairwiseJudge => {
  const { media, sampling = {}, cache } = options;
  canonicalJson(sampling, "sampling");
  const desk: Desk = { model, protocol, cache, share: coalescing<Answer>() };
  const batches = batchesFor(model, options);

  const prepare = async (shown: Preference, { swapped = false, sample = 0, samples = 1, signal }: JudgeOptions) => {
    const where = `pair ${JSON.stringify(shown.id)}`;
    const messages = await loadMessages(await promptWith(protocol, shown), media, { signal, where });
    const chosen = samplingFor(sampling, sample, samples);
    const described = { model, protocol: protocol.name, messages, media: media?.fingerprint, sampling: chosen };
    const keyOf = (which: number) => cacheKey({ ...described, swapped, sample: which });
    return { messages, sampling: chosen, key: keyOf(sample), prompt: () => keyOf(0) };
  };

  return {
    name: `${protocol.name}@${model.name}`,
    judge: async (pair, call = {}) => {
      throwIfAborted(call.signal);
      checkSample(call.sample ?? 0);
      const swapped = call.swapped ?? false;
      const shown = swapped ? swapPair(pair) : pair;
      const { value, first } = await answer(desk, prepare(shown, call), {
        seat: batches?.seat(pair),
        signal: call.signal,
      });
      return judgmentOf(protocol, shown, swapped, { ...value, cached: value.fromCache || !first });
    },
  };
};
