/**
 * The cold start (paper, section on long chains of thought): a strong chat model is asked to judge each labelled pair, up to
 * three times; the first right critique is kept, and the number of attempts is the pair's difficulty.
 */
import { completionProblem } from "../completion-shape.ts";
import { AbortError, boundary, ConfigError, messageOf, ModelError, throwIfAborted } from "../errors.ts";
import type { Awaitable, CallOptions, ChatModel, JudgeProtocol, MediaLoader } from "../interfaces.ts";
import { loadMessages } from "../load-messages.ts";
import { r1Protocol } from "../protocol/r1.ts";
import { hasR1Format } from "../protocol/verdict-scanner.ts";
import { statedWinner } from "../reward/conclusion.ts";
import type { Completion, FinishReason, LoadedPart, Message, Preference, Usage, Winner } from "../types.ts";

/** Temperatures of the attempts in turn. The paper asks three times at 0, where a second try differs only by chance. */
export const DISTILL_TEMPERATURES: readonly number[] = Object.freeze([0, 0.5, 1]);

/** Why an attempt was not kept. */
export type AttemptFault =
  | "wrong" // it names the other answer
  | "unreadable" // it names none
  | "no-thought" // a bare answer teaches no reasoning
  | "contradicts"; // its thought plainly calls the other answer better

/** One reply of the teacher. */
export interface Attempt {
  /** From 1. */
  readonly attempt: number;
  readonly temperature: number;
  readonly text: string;
  readonly finishReason: FinishReason;
  /** `null` when it was kept. */
  readonly fault: AttemptFault | null;
  readonly usage: Usage;
  readonly latencyMs: number;
}

/** What became of a pair. */
export interface Distilled {
  readonly attempts: readonly Attempt[];
  /** The critique in the grammar `<think>…</think><answer>1|2</answer>`; `null` when no attempt was right. */
  readonly critique: string | null;
}

/** How a pair is distilled. */
export interface DistillOptions extends CallOptions {
  /** How the teacher is asked: `r1Protocol` unless given, the prompt of the paper's Table 1. */
  readonly protocol?: JudgeProtocol | undefined;
  readonly media?: MediaLoader | undefined;
  /** One per attempt; `DISTILL_TEMPERATURES` unless given. */
  readonly temperatures?: readonly number[] | undefined;
  /** Longest reply; 4,096 unless given. */
  readonly maxTokens?: number | undefined;
  /** Sent as `seed + attempt − 1`, so that no attempt repeats another; none is sent unless given. */
  readonly seed?: number | undefined;
  /** Attempts of an earlier run: they are not paid for again. */
  readonly known?: readonly Attempt[] | undefined;
  /** Told of each new attempt before the next one is made: the place to write it down. */
  readonly onAttempt?: ((attempt: Attempt) => Awaitable<void>) | undefined;
}

const GRAMMAR_SLACK = { whitespaceBetween: true, whitespaceAround: true };

/** The critique as it is taught: the grammar to the letter, whatever the teacher put around its tags. */
const taught = (text: string, reasoning: string, winner: Winner): string => {
  if (hasR1Format(text)) return text;
  if (hasR1Format(text, GRAMMAR_SLACK)) return text.trim().replace(/<\/think>\s+<answer>/, "</think><answer>");
  return `<think>${reasoning}</think><answer>${winner + 1}</answer>`;
};

interface Assessment {
  readonly fault: AttemptFault | null;
  readonly critique: string | null;
}

const assess = (
  reply: Pick<Completion, "text" | "finishReason">,
  protocol: JudgeProtocol,
  human: Winner,
): Assessment => {
  const { verdict, reasoning } = protocol.parse(reply);
  const none = (fault: AttemptFault): Assessment => ({ fault, critique: null });
  if (verdict.kind !== "winner") return none("unreadable");
  if (verdict.winner !== human) return none("wrong");
  if (reasoning.trim() === "") return none("no-thought");
  const stated = statedWinner(reasoning);
  if (stated !== null && stated !== human) return none("contradicts");
  const critique = taught(reply.text, reasoning, human);
  // A thought that holds closing tags of its own cannot be put into the grammar.
  return hasR1Format(critique) ? { fault: null, critique } : none("unreadable");
};

const check = (pair: Preference, temperatures: readonly number[]): Winner => {
  const bad = temperatures.find((value) => !(Number.isFinite(value) && value >= 0));
  if (temperatures.length === 0 || bad !== undefined) {
    throw new ConfigError(`temperatures: expected at least one number ≥ 0, got ${bad ?? "none"}`);
  }
  if (pair.human === 0 || pair.human === 1) return pair.human;
  throw new ConfigError(
    `pair ${JSON.stringify(pair.id)}: expected a human choice (0 or 1) to distil against, got none`,
  );
};

const ask = async (
  model: ChatModel,
  messages: readonly Message<LoadedPart>[],
  sampling: { readonly temperature: number; readonly maxTokens: number; readonly seed?: number },
  signal: AbortSignal | undefined,
): Promise<Completion> => {
  const data = { model: model.name, retryable: false };
  const wrap = (cause: unknown) =>
    signal?.aborted
      ? new AbortError("aborted by the caller", { cause: signal.reason })
      : new ModelError(`${model.name}: ${messageOf(cause)}`, data, { cause });
  const reply = await boundary(wrap, () => model.complete(messages, { ...sampling, signal }));
  const problem = completionProblem(reply);
  if (problem !== null) throw new ModelError(`${model.name}: reply.${problem}`, data);
  return reply;
};

/**
 * Asks the teacher until an attempt is right, once per temperature at most. The responses are shown as they stand: balance
 * the places of the better ones first.
 *
 * @throws ConfigError when the pair has no human choice or the temperatures are unusable; ModelError, MediaError and
 *   AbortError of the calls. Attempts made before were told to `onAttempt`, so nothing that was paid for is lost.
 */
export const distillPair = async (
  model: ChatModel,
  pair: Preference,
  options: DistillOptions = {},
): Promise<Distilled> => {
  const { protocol = r1Protocol, temperatures = DISTILL_TEMPERATURES, maxTokens = 4096, seed, signal } = options;
  const human = check(pair, temperatures);
  const where = `pair ${JSON.stringify(pair.id)}`;
  let messages: readonly Message<LoadedPart>[] | undefined;
  const attemptAt = async (at: number, temperature: number): Promise<Attempt> => {
    messages ??= await loadMessages(protocol.prompt(pair), options.media, { signal, where });
    const seeded = seed === undefined ? {} : { seed: seed + at };
    const reply = await ask(model, messages, { temperature, maxTokens, ...seeded }, signal);
    const { text, finishReason, usage, latencyMs } = reply;
    const { fault } = assess(reply, protocol, human);
    const attempt = { attempt: at + 1, temperature, text, finishReason, fault, usage, latencyMs };
    await options.onAttempt?.(attempt);
    return attempt;
  };
  const attempts: Attempt[] = [];
  for (const [at, temperature] of temperatures.entries()) {
    throwIfAborted(signal);
    const attempt = options.known?.[at] ?? (await attemptAt(at, temperature));
    attempts.push(attempt);
    const { critique } = assess(attempt, protocol, human);
    if (critique !== null) return { attempts, critique };
  }
  return { attempts, critique: null };
};
