/** From flags to a teacher: a chat model, how it is asked, and what reads the pictures. */
import { openaiCompatible } from "@r1reward/core";
import { nodeMedia } from "@r1reward/core/node";
import type { DistillOptions } from "@r1reward/core/prepare";
import { localProtocol, onlyModelOf, protocolNamed } from "../judging.ts";
import { isLocal, openLocal, serverOf, type OpenModel } from "../local-model.ts";
import { apiKeyFrom } from "../options.ts";
import type { DistillFlags } from "./distill-flags.ts";

/** A teacher with what must be closed after use. */
export interface Teacher extends AsyncDisposable {
  readonly model: OpenModel;
  readonly options: DistillOptions;
  /** Everything that changes its replies. */
  readonly fingerprint: string;
}

const openServer = async (flags: DistillFlags, signal: AbortSignal): Promise<OpenModel> => {
  const { model, concurrency, deadline } = flags;
  const baseUrl = serverOf(flags, ["--base-url", "expected an OpenAI-compatible server (or R1REWARD_BASE_URL)"]);
  return openaiCompatible({
    baseURL: [...baseUrl],
    model: model ?? (await onlyModelOf(baseUrl, signal)),
    apiKey: apiKeyFrom(),
    deadlineMs: deadline * 1000,
    concurrency: { max: concurrency },
  });
};

/** What tells the weights of a folder apart; a server is known by its model's name alone. */
const weightsOf = ({ revision, fingerprint }: OpenModel): readonly string[] =>
  revision === undefined ? [] : [revision, fingerprint ?? ""];

/**
 * Opens the teacher that the flags name: a model on a server, in a folder, or one that came with the install.
 * @throws ConfigError when they name none; CheckpointError for a folder that cannot be read
 */
export const openTeacher = async (flags: DistillFlags, signal: AbortSignal): Promise<Teacher> => {
  const { temperatures, maxTokens, seed, imageRoot } = flags;
  const local = await isLocal(flags);
  const protocol = local ? await localProtocol(flags) : protocolNamed(flags.protocol ?? "r1");
  const media = nodeMedia({
    ...(imageRoot === undefined ? {} : { root: imageRoot }),
    hosts: flags.allowHost ?? [],
    maxPixels: flags.maxPixels,
    resize: true,
  });
  const model = await (local ? openLocal(flags, signal) : openServer(flags, signal));
  const asked = [model.name, protocol.name, temperatures, maxTokens, seed ?? null, media.fingerprint];
  return {
    model,
    options: { protocol, media, temperatures, maxTokens, seed },
    fingerprint: JSON.stringify([...asked, ...weightsOf(model)]),
    [Symbol.asyncDispose]: async () => {
      await model[Symbol.asyncDispose]();
      await media[Symbol.asyncDispose]();
    },
  };
};
