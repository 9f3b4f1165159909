/**
 * Clients of other SDKs as transports. They send; the deadline, the retries, the concurrency and the reading of replies
 * stay ours, so their own retries are switched off.
 */
import type { ChatModel, SampleOptions } from "../interfaces.ts";
import type { Completion, LoadedPart, Message } from "../types.ts";
import type { Endpoint } from "./endpoint.ts";
import { modelClient, type ModelClientStats } from "./openai-compatible.ts";
import type { OpenAICompatibleOptions } from "./options.ts";
import type { Transport, TransportRequest, TransportResponse } from "./transport.ts";

/** Options that a client inside another SDK's client still has. */
export type SdkModelOptions = Pick<
  OpenAICompatibleOptions,
  "revision" | "deadlineMs" | "concurrency" | "retry" | "video" | "clock" | "random"
>;

/** A chat model that sends through another SDK. Disposing it ends its calls; the SDK's client stays the caller's. */
export interface SdkModel extends ChatModel, AsyncDisposable {
  completeMany(
    messages: readonly Message<LoadedPart>[],
    n: number,
    options?: SampleOptions,
  ): Promise<readonly Completion[]>;
  stats(): ModelClientStats;
}

/** A request body in the form of the chat completions API. */
export type SdkBody = Readonly<Record<string, unknown>>;

/** Asks the SDK: gives the reply in the form of the chat completions API, or throws what the SDK throws. */
export type SdkAsk = (body: SdkBody, signal: AbortSignal) => PromiseLike<unknown>;

/** What an SDK's error says of the response that caused it; `undefined` when there was none. */
export interface SdkFailure {
  readonly status: number;
  readonly text: string;
  readonly header: (name: string) => string | undefined;
}

const textOf = (pieces: NonNullable<TransportRequest["body"]>): string => {
  const decoder = new TextDecoder();
  return pieces.map((piece) => (typeof piece === "string" ? piece : decoder.decode(piece))).join("");
};

const sdkTransport = (ask: SdkAsk, failureOf: (error: unknown) => SdkFailure | undefined): Transport => ({
  send: (request) => {
    const controller = new AbortController();
    const work = async (): Promise<TransportResponse> => {
      const body = JSON.parse(textOf(request.body ?? ["{}"])) as SdkBody;
      try {
        const reply = await ask(body, controller.signal);
        return { status: 200, text: JSON.stringify(reply), header: () => undefined };
      } catch (error) {
        const failure = failureOf(error);
        if (failure === undefined) throw error;
        return failure;
      }
    };
    return {
      response: work(),
      cancel: (reason) => {
        controller.abort(reason);
      },
    };
  },
  [Symbol.asyncDispose]: () => Promise.resolve(),
});

/** A model client that sends through an SDK. `where` names it in errors. */
export const sdkModel = (
  options: Omit<OpenAICompatibleOptions, "baseURL">,
  where: string,
  ask: SdkAsk,
  failureOf: (error: unknown) => SdkFailure | undefined,
): SdkModel => {
  const endpoint: Endpoint = { origin: "", host: "", path: "", root: "", url: where };
  const transport = sdkTransport(ask, failureOf);
  const { probe: _, ...model } = modelClient({ ...options, baseURL: where, transport }, [endpoint]);
  return model;
};
