/** From flags to a judge: the only place that knows which judges and protocols have names on the command line. */
import {
  ConfigError,
  createR1Protocol,
  firstJudge,
  judgeWith,
  longerJudge,
  ModelError,
  openaiCompatible,
  plainProtocol,
  r1Protocol,
  randomJudge,
  referenceProtocol,
  rmR1Protocol,
  unifiedRewardProtocol,
  type JudgeProtocol,
  type PairwiseJudge,
  type ResponseCache,
} from "@r1reward/core";
import { diskCache, nodeMedia } from "@r1reward/core/node";
import { shapesProtocol } from "@r1reward/core/shapes";
import { protocolOfModel } from "./bundled-models.ts";
import { isLocal, openLocal, serverOf, type OpenModel } from "./local-model.ts";
import { apiKeyFrom, defaultCacheFolder, flagError, type JudgeFlags } from "./options.ts";

/** A judge with what must be closed after use. */
export interface OpenJudge extends AsyncDisposable {
  readonly judge: PairwiseJudge;
  /** Does it look at images and cost anything? The built-in ones do not. */
  readonly usesModel: boolean;
  /** Everything that changes its verdicts: part of the fingerprint of a results file. */
  readonly fingerprint: string;
  readonly cache: ResponseCache | undefined;
}

const PROTOCOLS: Readonly<Record<string, () => JudgeProtocol>> = {
  r1: () => r1Protocol,
  "r1-train": () => createR1Protocol({ preset: "train" }),
  plain: () => plainProtocol,
  "unified-reward": () => unifiedRewardProtocol,
  "rm-r1": () => rmR1Protocol,
  shapes: () => shapesProtocol,
  reference: () => referenceProtocol({ benchmark: "vl-rewardbench" }),
};

/** The protocol of a name. Throws `ConfigError` when there is none. */
export const protocolNamed = (name: string): JudgeProtocol => {
  const make = Object.hasOwn(PROTOCOLS, name) ? PROTOCOLS[name] : undefined;
  if (make === undefined)
    throw flagError("--protocol", `expected one of ${Object.keys(PROTOCOLS).join(", ")}, got "${name}"`);
  return make();
};

const BASELINES: Readonly<Record<string, (seed: number) => PairwiseJudge>> = {
  "baseline:longer": () => longerJudge,
  "baseline:first": () => firstJudge,
  "baseline:random": (seed) => randomJudge(seed),
};

const baselineNamed = (name: string, seed: number): PairwiseJudge => {
  const [, base, ownSeed] = /^(baseline:[a-z]+)(?::(\d{1,15}))?$/.exec(name) ?? [];
  const make = base !== undefined && Object.hasOwn(BASELINES, base) ? BASELINES[base] : undefined;
  if (make === undefined || (ownSeed !== undefined && base !== "baseline:random")) {
    throw flagError(
      "--judge",
      `expected ${Object.keys(BASELINES).join(", ")} or baseline:random:<seed>, got "${name}"`,
    );
  }
  return make(ownSeed === undefined ? seed : Number(ownSeed));
};

const builtIn = (judge: PairwiseJudge): OpenJudge => ({
  judge,
  usesModel: false,
  fingerprint: judge.name,
  cache: undefined,
  [Symbol.asyncDispose]: async () => {},
});

/** Closes what was opened, last first. */
const closeAll = async (resources: readonly AsyncDisposable[]): Promise<void> => {
  for (const resource of [...resources].reverse()) await resource[Symbol.asyncDispose]();
};

const openModel = (flags: JudgeFlags, baseURL: readonly string[], model: string) =>
  openaiCompatible({
    baseURL: [...baseURL],
    model,
    apiKey: apiKeyFrom(),
    deadlineMs: flags.deadline * 1000,
    concurrency: { max: flags.concurrency },
  });

/** What tells the weights of a folder apart. A server is known by its model's name alone. */
const weightsOf = ({ revision, fingerprint }: OpenModel): readonly string[] =>
  revision === undefined ? [] : [revision, fingerprint ?? ""];

const samplingOf = (flags: JudgeFlags) => {
  const perOrder = (flags.votes ?? 2) / (flags.orders === "both" ? 2 : 1);
  return {
    temperature: flags.temperature ?? (perOrder > 1 ? 1 : 0),
    maxTokens: flags.maxTokens,
    seed: flags.seed,
  };
};

const modelJudge = async (
  flags: JudgeFlags,
  protocol: JudgeProtocol,
  open: () => Promise<OpenModel>,
): Promise<OpenJudge> => {
  const owned: AsyncDisposable[] = [];
  const own = <T extends AsyncDisposable>(resource: T): T => (owned.push(resource), resource);
  const media = own(
    nodeMedia({
      ...(flags.imageRoot === undefined ? {} : { root: flags.imageRoot }),
      hosts: flags.allowHost ?? [],
      maxPixels: flags.maxPixels,
      resize: true,
    }),
  );
  const cache =
    flags.cache === false
      ? undefined
      : own(await diskCache(typeof flags.cache === "string" ? flags.cache : defaultCacheFolder()));
  const client = await open().catch(async (error: unknown) => {
    await closeAll(owned);
    throw error;
  });
  owned.push(client);
  const sampling = samplingOf(flags);
  const judge = judgeWith(client, protocol, { media, sampling, ...(cache === undefined ? {} : { cache }) });
  return {
    judge,
    usesModel: true,
    fingerprint: JSON.stringify([judge.name, sampling, media.fingerprint, ...weightsOf(client)]),
    cache,
    [Symbol.asyncDispose]: () => closeAll(owned),
  };
};

/** The model of a server that serves one. Choosing among several is the user's to do. */
export const onlyModelOf = async (baseURL: readonly string[], signal: AbortSignal): Promise<string> => {
  await using client = openaiCompatible({ baseURL: [...baseURL], model: "to be asked", apiKey: apiKeyFrom() });
  const { models, problem, reachable } = await client.probe(signal);
  const [only, ...others] = models;
  if (only !== undefined && others.length === 0) return only;
  if (!reachable)
    throw new ModelError(`${baseURL.join(", ")}: ${problem ?? "no answer"}`, { model: "unknown", retryable: true });
  const known = models.length === 0 ? "the server does not list its models" : `the server has ${models.join(", ")}`;
  throw flagError("--model", `expected the name of a model: ${known}`);
};

/** What the flag says, else what the model was trained on. @throws ConfigError naming the flag, or the model's file */
export const localProtocol = async (
  flags: Pick<JudgeFlags, "protocol" | "model" | "baseUrl">,
): Promise<JudgeProtocol> => {
  if (flags.protocol !== undefined) return protocolNamed(flags.protocol);
  const name = (await protocolOfModel(flags)) ?? "r1";
  if (Object.hasOwn(PROTOCOLS, name)) return protocolNamed(name);
  const known = Object.keys(PROTOCOLS).join(", ");
  throw new ConfigError(
    `--model ${flags.model}: r1reward.json: protocol: expected one of ${known}, got "${name}"; --protocol says another`,
  );
};

/**
 * Opens the judge that the flags name.
 * @throws ConfigError when they name none, two, or one that does not exist; CheckpointError for a folder that cannot be read
 */
export const openJudge = async (flags: JudgeFlags, signal: AbortSignal): Promise<OpenJudge> => {
  if (flags.judge !== undefined) return builtIn(baselineNamed(flags.judge, flags.seed));
  if (await isLocal(flags)) return modelJudge(flags, await localProtocol(flags), () => openLocal(flags, signal));
  const wanted = "expected a built-in judge, or a server: --base-url http://localhost:8000/v1 (or R1REWARD_BASE_URL)";
  const baseUrl = serverOf(flags, ["--judge", wanted]);
  const model = flags.model ?? (await onlyModelOf(baseUrl, signal));
  return modelJudge(flags, protocolNamed(flags.protocol ?? "r1"), () =>
    Promise.resolve(openModel(flags, baseUrl, model)),
  );
};
