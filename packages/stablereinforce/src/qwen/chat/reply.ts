/** Sampled tokens as a chat completion. */
import type { Completion, TokenLogp } from "@r1reward/core";
import type { Completion as Sampled } from "../../sample/index.ts";
import type { LocalChatOptions } from "./types.ts";

type Tokenizer = LocalChatOptions["tokenizer"];

/** Where the first stop string begins; −1 when there is none. */
const firstStop = (text: string, stop: readonly string[]): number =>
  stop.reduce((first, one) => {
    const at = one === "" ? -1 : text.indexOf(one);
    return at >= 0 && (first < 0 || at < first) ? at : first;
  }, -1);

/** Tells of growing sequences whether one of the strings has been written. Looks at the end alone. */
export const stopsAt = (tokenizer: Tokenizer, stop: readonly string[]): ((tokens: readonly number[]) => boolean) => {
  if (stop.length === 0) return () => false;
  // every token but a stray byte or a special one is at least one character
  const window = Math.max(...stop.map((one) => one.length)) + 16;
  return (tokens) => firstStop(tokenizer.decode(Int32Array.from(tokens.slice(-window))), stop) >= 0;
};

const logpsOf = (made: Sampled, length: number, tokenizer: Tokenizer): readonly TokenLogp[] => {
  const textOf = (id: number): string => tokenizer.decode(Int32Array.of(id));
  return Array.from({ length }, (_, t): TokenLogp => {
    const told = made.alternatives?.[t];
    const top = (told?.tokens ?? []).map((id, i) => ({ token: textOf(id), logp: told?.logp[i] as number }));
    return { token: textOf(made.tokens[t] as number), logp: made.logp[t] as number, top };
  });
};

/** What `replyOf` must know of the call. */
export interface Asked {
  readonly tokenizer: Tokenizer;
  readonly stop: readonly string[];
  /** Were log-probabilities asked for? */
  readonly logps: boolean;
  readonly promptTokens: number;
  /** `performance.now()` of the call. */
  readonly began: number;
}

/** A sequence as a completion: text up to the first stop string, without the stop token. */
export const replyOf = (made: Sampled, asked: Asked): Completion => {
  const { tokenizer, stop, promptTokens, began } = asked;
  const stopped = made.finish === "stop" && tokenizer.stopTokens.includes(made.tokens.at(-1) as number);
  const length = made.tokens.length - (stopped ? 1 : 0);
  const whole = tokenizer.decode(made.tokens.subarray(0, length));
  const cut = firstStop(whole, stop);
  return {
    text: cut < 0 ? whole : whole.slice(0, cut),
    finishReason: made.finish,
    usage: { promptTokens, completionTokens: made.tokens.length },
    ...(asked.logps ? { logps: logpsOf(made, length, tokenizer) } : {}),
    latencyMs: performance.now() - began,
  };
};
