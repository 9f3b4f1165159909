import { cacheKey } from "../cache/key.ts";
import { isCompletion } from "../completion-shape.ts";
import { ConfigError, throwIfAborted } from "../errors.ts";
import type { ChatModel, SampleOptions } from "../interfaces.ts";
import type { Completion, LoadedPart, Message } from "../types.ts";

/** A model whose every reply is written down. */
export interface RecordingModel extends ChatModel {
  /** What was said so far, as JSONL: one `{"request": "<sha256>", "reply": {…}}` per line. */
  recording(): string;
}

/** What was asked, without what names the model: a recording can be replayed under another name. */
const requestOf = (messages: readonly Message<LoadedPart>[], sampling: SampleOptions): string =>
  cacheKey({ model: { name: "" }, protocol: "", messages, sampling, swapped: false, sample: 0 });

/** Passes everything on to a model and writes its replies down, for `recordedModel` to replay. */
export const recordingModel = (model: ChatModel): RecordingModel => {
  const lines: string[] = [];
  return {
    name: model.name,
    revision: model.revision,
    complete: async (messages, options = {}) => {
      const reply = await model.complete(messages, options);
      lines.push(`${JSON.stringify({ request: requestOf(messages, options), reply })}\n`);
      return reply;
    },
    recording: () => lines.join(""),
  };
};

const readLine = (line: string, number: number): readonly [string, Completion] => {
  const where = `recording, line ${number}`;
  let entry: unknown;
  try {
    entry = JSON.parse(line);
  } catch (cause) {
    throw new ConfigError(`${where}: expected JSON`, { cause });
  }
  const { request, reply } = Object(entry) as { request?: unknown; reply?: unknown };
  if (typeof request === "string" && isCompletion(reply)) return [request, reply];
  throw new ConfigError(`${where}: expected {"request": string, "reply": completion}`);
};

/**
 * Replays a recording. Replies to the same request come in the order in which they were recorded, and the last one is
 * repeated.
 *
 * @throws {ConfigError} for a recording that cannot be read, and from `complete` for a request that was not recorded.
 */
export const recordedModel = (recording: string, { name = "recorded" }: { readonly name?: string } = {}): ChatModel => {
  const replies = new Map<string, Completion[]>();
  for (const [i, line] of recording.split("\n").entries()) {
    if (line.trim() === "") continue;
    const [request, reply] = readLine(line, i + 1);
    replies.set(request, [...(replies.get(request) ?? []), reply]);
  }
  return {
    name,
    complete: async (messages, options = {}) => {
      throwIfAborted(options.signal);
      const request = requestOf(messages, options);
      const left = replies.get(request);
      const reply = left?.[0];
      if (left === undefined || reply === undefined) throw new ConfigError(`${name}: nothing recorded for ${request}`);
      if (left.length > 1) replies.set(request, left.slice(1));
      return reply;
    },
  };
};
