import { AbortError, ConfigError, throwIfAborted } from "../errors.ts";
import type { Awaitable, ChatModel, SampleOptions } from "../interfaces.ts";
import { onAbort } from "../abort.ts";
import type { Completion, LoadedPart, Message } from "../types.ts";

/** A reply to give: its text, a completion of which the rest is filled in, or an error to reject with. */
export type ScriptedReply = string | (Partial<Completion> & Pick<Completion, "text">) | Error;

/** Replies in the order of the calls, or what to reply to the i-th call (counted from 0). */
export type Script =
  | readonly ScriptedReply[]
  | ((messages: readonly Message<LoadedPart>[], i: number, options: SampleOptions) => Awaitable<ScriptedReply>);

/** One call that a scripted model received. */
export interface ScriptedCall {
  readonly messages: readonly Message<LoadedPart>[];
  readonly options: SampleOptions;
}

/** A chat model that replies what it was told to, and remembers what it was asked. */
export interface ScriptedModel extends ChatModel {
  readonly calls: readonly ScriptedCall[];
}

const whole = (reply: Exclude<ScriptedReply, Error>): Completion => ({
  finishReason: "stop",
  usage: { promptTokens: null, completionTokens: null },
  latencyMs: 0,
  ...(typeof reply === "string" ? { text: reply } : reply),
});

/** Rejects as soon as the signal fires, as a real model does. */
const unlessAborted = <T>(work: Awaitable<T>, signal: AbortSignal | undefined): Promise<T> =>
  new Promise<T>((resolve, reject) => {
    const giveUp = (reason: unknown): void => reject(new AbortError("aborted by the caller", { cause: reason }));
    const stay = signal === undefined ? () => {} : onAbort(signal, giveUp);
    void Promise.resolve(work).then(resolve, reject).finally(stay);
  });

const lineOf = (script: Script, call: ScriptedCall, i: number): Awaitable<ScriptedReply> => {
  if (typeof script === "function") return script(call.messages, i, call.options);
  const reply = script[i];
  if (reply === undefined) throw new ConfigError(`scriptedModel: call ${i + 1}, but the script has ${script.length}`);
  return reply;
};

/**
 * A chat model for tests and examples: no network, no tokens.
 *
 * @throws {ConfigError} from `complete`, when a list of replies has run out.
 */
export const scriptedModel = (
  script: Script,
  { name = "scripted", revision }: Partial<Pick<ChatModel, "name" | "revision">> = {},
): ScriptedModel => {
  const calls: ScriptedCall[] = [];
  return {
    name,
    revision,
    calls,
    complete: async (messages, options = {}) => {
      throwIfAborted(options.signal);
      const call = { messages, options };
      const reply = await unlessAborted(lineOf(script, call, calls.push(call) - 1), options.signal);
      if (reply instanceof Error) throw reply;
      return whole(reply);
    },
  };
};
