/** From flags to a teacher: a chat model, how it is asked, and what reads the pictures. */
import { openaiCompatible, type ChatModel } from "@r1reward/core";
import { nodeMedia } from "@r1reward/core/node";
import type { DistillOptions } from "@r1reward/core/prepare";
import { onlyModelOf, protocolNamed } from "../judging.ts";
import { apiKeyFrom, flagError } from "../options.ts";
import type { DistillFlags } from "./distill-flags.ts";

/** A teacher with what must be closed after use. */
export interface Teacher extends AsyncDisposable {
  readonly model: ChatModel;
  readonly options: DistillOptions;
  /** Everything that changes its replies. */
  readonly fingerprint: string;
}

/**
 * Opens the teacher that the flags name.
 * @throws ConfigError when they name none
 */
export const openTeacher = async (flags: DistillFlags, signal: AbortSignal): Promise<Teacher> => {
  const { baseUrl = [], temperatures, maxTokens, seed, concurrency, imageRoot } = flags;
  if (baseUrl.length === 0) {
    throw flagError("--base-url", "expected an OpenAI-compatible server (or R1REWARD_BASE_URL), got none");
  }
  const protocol = protocolNamed(flags.protocol);
  const name = flags.model ?? (await onlyModelOf(baseUrl, signal));
  const media = nodeMedia({
    ...(imageRoot === undefined ? {} : { root: imageRoot }),
    hosts: flags.allowHost ?? [],
    maxPixels: flags.maxPixels,
    resize: true,
  });
  const model = openaiCompatible({
    baseURL: [...baseUrl],
    model: name,
    apiKey: apiKeyFrom(),
    deadlineMs: flags.deadline * 1000,
    concurrency: { max: concurrency },
  });
  return {
    model,
    options: { protocol, media, temperatures, maxTokens, seed },
    fingerprint: JSON.stringify([name, protocol.name, temperatures, maxTokens, seed ?? null, media.fingerprint]),
    [Symbol.asyncDispose]: async () => {
      await model[Symbol.asyncDispose]();
      await media[Symbol.asyncDispose]();
    },
  };
};
