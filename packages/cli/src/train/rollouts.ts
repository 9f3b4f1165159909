/** Replies sampled by a server: what the configuration says of it becomes the `sample` of the policy in training. */
import { ConfigError, openaiCompatible, type ChatModel, type JsonValue, type Winner } from "@r1reward/core";
import {
  postReload,
  serverRollouts,
  sglangReload,
  ShapeError,
  vllmLoraReload,
  type ModelFacts,
  type Need,
  type PipelineModel,
  type Reload,
  type SyncWeights,
} from "@r1reward/stablereinforce";
import { serverWeights } from "@r1reward/stablereinforce/node";
import type { RunConfig } from "./config/schema.ts";
import { runFiles } from "./folder.ts";
import { mediaOf, withoutPictures } from "./parts.ts";

type Rl = NonNullable<RunConfig["rl"]>;
type RolloutServer = NonNullable<Rl["rollouts"]>["server"];
type ReloadConfig = NonNullable<RolloutServer["reload"]>;

/** The model that reinforcement learning samples from, and what it holds open. */
export interface OpenRollouts extends AsyncDisposable {
  readonly model: PipelineModel;
}

/** What surrounds the server. */
export interface RolloutsContext {
  readonly config: RunConfig;
  readonly model: PipelineModel;
  /** The run's folder. */
  readonly folder: string;
  readonly tell: (text: string) => void;
}

const FIELD = "rl.rollouts.server";

const writesAdapter = (reload: ReloadConfig): boolean =>
  reload.kind === "vllm-lora" || (reload.kind === "post" && reload.weights === "adapter");

/** Can what the configuration says of a server be done with its model? @throws ConfigError naming the setting */
export const checkRollouts = ({ rl, model }: RunConfig): void => {
  const reload = rl?.rollouts?.server.reload ?? null;
  if (reload === null) return;
  const where = `${FIELD}.reload: kind ${reload.kind}`;
  if (model.kind === "text")
    throw new ConfigError(`${where}: expected a model that has a Hugging Face form, got model.kind text`);
  if (writesAdapter(reload) && (model.kind !== "qwen25vl" || model.lora === null))
    throw new ConfigError(`${where}: expected adapters to load, but model.lora is not set`);
};

const keyOf = ({ apiKeyEnv }: RolloutServer): string | undefined => process.env[apiKeyEnv];

/** A client whose model can be another one from one step to the next: adapters have a name for each loading. */
const clientOf = (server: RolloutServer) => {
  const open = (model: string) =>
    openaiCompatible({
      baseURL: server.url,
      model,
      apiKey: keyOf(server),
      deadlineMs: server.timeoutSeconds * 1000,
      concurrency: { max: server.concurrency },
      extraBody: server.extraBody as Record<string, JsonValue>,
    });
  let now = open(server.model);
  const model: ChatModel = { name: server.model, complete: (messages, how) => now.complete(messages, how) };
  const ask = async (name: string): Promise<void> => {
    if (name === now.name) return;
    const before = now;
    now = open(name);
    await before[Symbol.asyncDispose]();
  };
  return { model, ask, [Symbol.asyncDispose]: () => now[Symbol.asyncDispose]() };
};

const reloadOf = (server: RolloutServer, reload: ReloadConfig, tell: (text: string) => void): Reload => {
  const target = { url: server.url, model: server.model, apiKey: keyOf(server) };
  if (reload.kind === "sglang") return sglangReload(target);
  if (reload.kind === "post")
    return postReload(target, { url: reload.url, body: reload.body as Record<string, JsonValue> });
  return vllmLoraReload(target, (problem) => tell(`rl: the server keeps adapters that nobody needs: ${problem}`));
};

type Ask = (model: string) => Promise<void>;

const syncOf = (server: RolloutServer, context: RolloutsContext, ask: Ask): SyncWeights | undefined => {
  const { reload } = server;
  if (reload === null) return undefined;
  const { model, folder, tell } = context;
  const { save, saveAdapter } = model;
  const write = writesAdapter(reload) ? saveAdapter : save;
  if (write === undefined) throw new ConfigError(`${FIELD}.reload: this model cannot be written for a server`);
  return serverWeights({
    engine: model.policy.engine,
    folder: reload.folder ?? runFiles(folder).served,
    serverFolder: reload.serverFolder,
    every: reload.every,
    write,
    reload: reloadOf(server, reload, tell),
    onLoaded: ask,
  });
};

/** Tells the first of its kind: what is wrong with one reply is wrong with thousands. */
const once = <T>(tell: (text: string) => void, textOf: (value: T) => string) => {
  let told = false;
  return (value: T): void => {
    if (!told) tell(textOf(value));
    told = true;
  };
};

const notes = (tell: RolloutsContext["tell"]) => ({
  onReencoded: once<string>(
    tell,
    (id) => `rl: ${id}: the server's tokens are not the tokenizer's; such replies are read anew and not corrected`,
  ),
  onOtherPrompt: once<{ id: string; expected: number; told: number }>(
    tell,
    ({ id, expected, told }) =>
      `rl: ${id}: the server counts ${told} tokens in the prompt, the trainer ${expected}: another chat template, or pictures of another size`,
  ),
});

/** Reads a prompt as the policy does, with room for the longest reply. */
const encoder =
  ({ encode, context }: PipelineModel, maxTokens: number) =>
  async (prompt: Parameters<PipelineModel["encode"]>[0]) => {
    const { promptTokens, media } = await encode(prompt, "");
    if (promptTokens.length + maxTokens <= context) return { promptTokens, media };
    const expected = `at most ${context} tokens of prompt and reply`;
    throw new ShapeError("context", { expected, actual: `${promptTokens.length} + ${maxTokens}` });
  };

const describe = (server: RolloutServer): string => {
  const { url, model, reload, truncate } = server;
  const corrected = truncate === null ? "nothing is corrected" : `importance weights are cut off at ${truncate}`;
  const weights =
    reload === null
      ? "it is never given the trained weights: replies are of an older and older policy, and the alarm stale-sampler says when they are too old"
      : `it loads the trained weights ${reload.every === 1 ? "before every step" : `every ${reload.every} steps`} (${reload.kind})`;
  return `${model} at ${url}; ${weights}; ${corrected}`;
};

/**
 * The model with its replies sampled by the configured server; the model itself where none is configured. Measuring stays with the
 * model: it is the trained weights that are measured, whatever a server has.
 *
 * @throws ConfigError
 */
export const openRollouts = (rl: Rl, context: RolloutsContext): OpenRollouts => {
  const { config, model, tell } = context;
  if (!rl.rollouts) return { model, [Symbol.asyncDispose]: () => Promise.resolve() };
  const { server } = rl.rollouts;
  const { tokenizer } = model;
  if (tokenizer === undefined) throw new ConfigError(`${FIELD}: this model cannot read replies of a server`);
  tell(`rl: replies are sampled by ${describe(server)}`);
  const media = mediaOf(config);
  const client = clientOf(server);
  const sample = serverRollouts<Winner>({
    ...notes(tell),
    model: client.model,
    tokenizer,
    media,
    encode: encoder(model, rl.maxTokens),
    sync: syncOf(server, context, client.ask),
    concurrency: server.concurrency,
    expectLogps: server.truncate !== null,
  });
  const served: PipelineModel = { ...model, policy: { ...model.policy, sample } };
  return {
    model: config.model.kind === "text" ? withoutPictures(served) : served,
    [Symbol.asyncDispose]: async () => {
      await client[Symbol.asyncDispose]();
      await media[Symbol.asyncDispose]();
    },
  };
};

/** What a dry run tells of the server. */
export interface RolloutsPlan {
  readonly server: RolloutServer;
  readonly text: string;
  readonly disk: readonly Need[];
}

/** The server that will be asked; nothing is sent to it. */
export const rolloutsPlan = ({ rl }: RunConfig, facts: ModelFacts): RolloutsPlan | null => {
  if (!rl?.rollouts) return null;
  const { server } = rl.rollouts;
  const numbers = server.reload === null ? 0 : writesAdapter(server.reload) ? facts.trained : facts.parameters;
  const need = { name: "weights for the server", bytes: 2 * 4 * numbers, detail: "loaded, and being written" };
  return { server, text: describe(server), disk: numbers === 0 ? [] : [need] };
};
