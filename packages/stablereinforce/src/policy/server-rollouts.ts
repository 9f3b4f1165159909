/** Rollouts from a server: replies are written by a `ChatModel`, and become token ids here. */
import {
  ConfigError,
  ModelError,
  loadMessages,
  type ChatModel,
  type Completion,
  type MediaLoader,
  type Message,
  type TokenLogp,
} from "@r1reward/core";
import type { EngineTensor } from "../engine/tensor.ts";
import { streamOf } from "./stream.ts";
import type { PolicyTokenizer } from "./tokenizer.ts";
import type { Params, Policy, Sampled, SampleRequest, TokenRow } from "./types.ts";

/** A prompt as the trainer's own policy reads it. */
export type PromptRow = Pick<TokenRow, "promptTokens" | "media">;

/** Brings weights to where replies are written. */
export type SyncWeights = (
  params: Params<EngineTensor>,
  options: { readonly step: number | undefined; readonly signal: AbortSignal },
) => Promise<void>;

/** How replies are had from a server. */
export interface ServerRolloutsOptions {
  /** The server: it must have the weights that are being trained, and sample with nothing cut (top-p 1, no penalty). */
  readonly model: ChatModel;
  readonly tokenizer: Pick<PolicyTokenizer, "encodeReply" | "decode" | "stopTokens">;
  /** A prompt's ids, and what the policy's `collate` reads beside them: `(prompt, how) => policy.encode(prompt, "", how)`. */
  readonly encode: (prompt: readonly Message[], options: { readonly signal: AbortSignal }) => Promise<PromptRow>;
  /** Loads pictures that are sent along. */
  readonly media?: MediaLoader | undefined;
  /**
   * Brings the weights to the server. Called before every sampling, with the training steps that were finished; without it the
   * server's weights are whatever they are, and a rollout correction has more and more to correct.
   */
  readonly sync?: SyncWeights | undefined;
  /** A server that tells no log-probabilities is an error: without them nothing corrects the difference between the two programs. */
  readonly expectLogps?: boolean | undefined;
  /** Requests under way at once; 64 by default. */
  readonly concurrency?: number | undefined;
  /**
   * Is told of replies whose ids could not be had exactly from what the server told, and which were therefore encoded anew from their
   * text: they come without the sampler's log-probabilities.
   */
  readonly onReencoded?: ((id: string) => void) | undefined;
  /** Is told when the server counts other tokens in a prompt than the policy: another chat template, or pictures of another size. */
  readonly onOtherPrompt?: ((difference: PromptDifference) => void) | undefined;
}

/** A prompt that server and policy read differently. */
export interface PromptDifference {
  readonly id: string;
  /** Tokens as the policy reads the prompt. */
  readonly expected: number;
  /** Tokens as the server counts them. */
  readonly told: number;
}

/** `token_id:123`, which vLLM writes with `return_tokens_as_token_ids`. */
const idOf = ({ token }: TokenLogp): number | undefined => {
  const [, digits] = /^token_id:(\d{1,9})$/.exec(token) ?? [];
  return digits === undefined ? undefined : Number(digits);
};

/** A reply in ids. */
interface Ids {
  readonly tokens: Int32Array;
  /** Of the first tokens at least, nats. */
  readonly logp?: Float32Array | undefined;
}

const fromIds = (logps: readonly TokenLogp[], [stop, ended]: readonly [number, boolean]): Ids | undefined => {
  const ids = logps.map(idOf);
  if (ids.length === 0 || ids.some((id) => id === undefined)) return undefined;
  const whole = ids as number[];
  const logp = Float32Array.from(logps, (one) => one.logp);
  return { tokens: Int32Array.from(ended && whole.at(-1) !== stop ? [...whole, stop] : whole), logp };
};

/** The text's own ids, when the server's tokens are the same ones, piece by piece. */
const fromText = (
  { text, finishReason, logps = [] }: Completion,
  tokenizer: ServerRolloutsOptions["tokenizer"],
): Ids & { readonly exact: boolean } => {
  const encoded = tokenizer.encodeReply(text);
  const tokens = finishReason === "stop" ? encoded : encoded.subarray(0, encoded.length - 1);
  const written = encoded.length - 1;
  const told = logps.length === written || (logps.length === written + 1 && finishReason === "stop");
  const same = (i: number): boolean => tokenizer.decode(encoded.subarray(i, i + 1)) === logps[i]?.token;
  const exact = told && Array.from({ length: written }, (_, i) => same(i)).every(Boolean);
  return exact ? { tokens, logp: Float32Array.from(logps, ({ logp }) => logp), exact } : { tokens, exact };
};

const unusable = ({ model: { name: model } }: ServerRolloutsOptions, id: string, problem: string): ModelError =>
  new ModelError(`${model}: rollout ${id}: ${problem}`, { model, retryable: false });

const idsOf = (made: Completion, options: ServerRolloutsOptions, id: string): Ids => {
  const { tokenizer } = options;
  if (made.finishReason !== "stop" && made.finishReason !== "length") {
    throw unusable(options, id, `expected a reply, got finish reason ${made.finishReason}`);
  }
  if (options.expectLogps === true && made.logps === undefined) {
    throw unusable(options, id, "expected log-probabilities of its tokens (logprobs: true), got none");
  }
  const [stop] = tokenizer.stopTokens;
  if (stop === undefined) throw new ConfigError("serverRollouts tokenizer: expected a stop token");
  const given = fromIds(made.logps ?? [], [stop, made.finishReason === "stop"]);
  if (given !== undefined) return given;
  const { exact, ...ids } = fromText(made, tokenizer);
  if (!exact && made.logps !== undefined) options.onReencoded?.(id);
  return ids;
};

interface Asked<Truth> {
  readonly request: SampleRequest<Truth>;
  readonly row: PromptRow;
  readonly place: readonly [number, number];
}

const replyOf = <Truth>(asked: Asked<Truth>, made: Completion, options: ServerRolloutsOptions): Sampled<Truth> => {
  const { request, row, place } = asked;
  const { prompt, group } = request;
  const id = `${prompt.id}#${place[1]}`;
  const { tokens, logp } = idsOf(made, options, id);
  if (tokens.length === 0) throw unusable(options, id, "expected at least one token, got an empty reply");
  const { promptTokens, media } = row;
  const [expected, told] = [promptTokens.length, made.usage.promptTokens];
  if (told !== null && told !== expected) options.onOtherPrompt?.({ id, expected, told });
  return {
    id,
    prompt: prompt.prompt,
    truth: prompt.truth,
    text: made.text,
    finishReason: made.finishReason === "length" ? "length" : "stop",
    group,
    promptTokens,
    tokens,
    ...(logp === undefined ? {} : { logpRollout: logp }),
    ...(media === undefined ? {} : { media }),
    place,
  };
};

/** Runs jobs, `most` at a time; the first failure ends all. */
const inTurn = async (jobs: readonly (() => Promise<void>)[], most: number): Promise<void> => {
  const next = jobs.values();
  const worker = async (): Promise<void> => {
    for (const job of next) await job();
  };
  await Promise.all(Array.from({ length: Math.min(most, jobs.length) }, worker));
};

/** A seed that servers take: not negative. */
const serverSeed = (seed: number): number => seed >>> 0;

/**
 * A policy's `sample` by way of a server: `{ ...policy, sample: serverRollouts({ model, tokenizer, encode }) }`.
 *
 * The server's program and its weights differ a little from the trainer's. When it tells log-probabilities they come with the
 * rollouts, for `truncated`, `icePop` and the other rollout corrections; where it does not, the trainer's own stand in, which
 * corrects nothing.
 *
 * @throws ConfigError on options that cannot be; ModelError when the server fails or writes nothing; AbortError
 */
export const serverRollouts = <Truth = unknown>(options: ServerRolloutsOptions): Policy<Truth>["sample"] => {
  const { model, concurrency = 64 } = options;
  if (!Number.isSafeInteger(concurrency) || concurrency < 1) {
    throw new ConfigError(`serverRollouts concurrency: expected a positive whole number, got ${concurrency}`);
  }
  const prepare = async ({ prompt }: SampleRequest<Truth>, signal: AbortSignal) => ({
    row: await options.encode(prompt.prompt, { signal }),
    messages: await loadMessages(prompt.prompt, options.media, { signal, where: prompt.id }),
  });
  return (params, requests, { temperature, maxTokens, step, signal: outer }) =>
    streamOf(async (push, left) => {
      const own = new AbortController();
      const signal = AbortSignal.any([left, own.signal, ...(outer === undefined ? [] : [outer])]);
      await options.sync?.(params, { step, signal });
      const jobs = requests.flatMap((request, at) => {
        let prepared: ReturnType<typeof prepare> | undefined; // once for all replies of a prompt
        return request.seeds.map((seed, i) => async (): Promise<void> => {
          const { row, messages } = await (prepared ??= prepare(request, signal));
          const how = { temperature, maxTokens, topP: 1, seed: serverSeed(seed), logprobs: 0, signal };
          push(replyOf({ request, row, place: [at, i] }, await model.complete(messages, how), options));
        });
      });
      try {
        await inTurn(jobs, concurrency);
      } catch (error) {
        own.abort(error);
        throw error;
      }
    });
};
