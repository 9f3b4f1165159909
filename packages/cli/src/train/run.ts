/** A configured run: data → cold start → reinforcement learning → export, each stage in its own folder. */
import { ConfigError, type CallOptions } from "@r1reward/core";
import {
  evaluatePolicy,
  examplesOf,
  loadCheckpoint,
  promptsOf,
  rlSteps,
  runRl,
  runSft,
  screenPairs,
  sftSteps,
  type HostTensor,
  type Params,
  type PipelineModel,
  type Snapshot,
  type StageEvaluation,
  type StageEvent,
  type StageResult,
} from "@r1reward/stablereinforce";
import { stageFolder, type StageFolder } from "@r1reward/stablereinforce/node";
import type { RunConfig } from "./config/schema.ts";
import { openData, type RunData } from "./data.ts";
import { factsOf } from "./facts.ts";
import { runFiles, type OpenRun } from "./folder.ts";
import { checkInputs, inputsOf, keepRun } from "./inputs.ts";
import { checkMemory } from "./memory.ts";
import {
  earlierStages,
  exportModel,
  wantedStages,
  writeState,
  type Run,
  type RunOptions,
  type RunOutcome,
  type StageName,
} from "./run-state.ts";
import { openEngine, openModel, openReward, protocolOf, recipeOfRun } from "./parts.ts";
import { checkRollouts, openRollouts } from "./rollouts.ts";

/** Tokens that a reply may take in this run. */
const replyTokens = ({ rl, evaluation }: RunConfig): number => Math.max(rl?.maxTokens ?? 0, evaluation?.maxTokens ?? 0);

const screened = async (
  config: RunConfig,
  model: PipelineModel,
  data: RunData,
  signal: AbortSignal,
): Promise<RunData> => {
  if (!config.data.check) return data;
  const { onBroken } = config.data;
  const common = { model, protocol: protocolOf(config), replyTokens: replyTokens(config), onBroken, signal };
  const train = await screenPairs(data.train, { ...common, critiques: config.sft !== null });
  const held = data.held === null ? null : await screenPairs(data.held, common);
  const usable = new Set(train.pairs);
  return { train, held, hard: { ...data.hard, pairs: data.hard.pairs.filter((pair) => usable.has(pair)) } };
};

const measuringOf = ({ config, data, model }: Run): StageEvaluation | undefined => {
  const { evaluation } = config;
  if (evaluation === null || data.held === null) return undefined;
  const { every, maxTokens, batch } = evaluation;
  const { pairs } = data.held;
  const common = { model, pairs, protocol: protocolOf(config), maxTokens, batch };
  return { every, run: (weights, call: CallOptions) => evaluatePolicy({ ...common, weights, signal: call.signal }) };
};

const commonOf = (run: Run, folder: StageFolder) => {
  const { config, options, model } = run;
  const { actOn, ...monitor } = config.monitor;
  const acts: readonly string[] = actOn;
  return {
    ...folder,
    model,
    seed: config.seed,
    saveEvery: config.checkpoints.every,
    keep: config.checkpoints.keep,
    watch: {
      ...monitor,
      acts: ({ severity, kind }: { severity: string; kind: string }) => severity === "fatal" || acts.includes(kind),
    },
    evaluation: measuringOf(run),
    stop: options.stop,
    signal: options.signal,
  };
};

const percent = (share: number | null): string => (share === null ? "–" : `${(100 * share).toFixed(1)} %`);

const tellEvent =
  ({ tell }: RunOptions, stage: StageName) =>
  (event: StageEvent): void => {
    if (event.kind === "evaluation") {
      const { accuracy, interval95, n, consistency, unreadable } = event.evaluation;
      const range = interval95 === null ? "" : ` (${interval95.map((x) => (100 * x).toFixed(0)).join("–")})`;
      const more = `both orders agree ${percent(consistency)}, unreadable ${percent(unreadable)}`;
      tell(`${stage} step ${event.step}: right ${percent(accuracy)}${range} of ${n} held-out pairs, ${more}`);
    }
    if (event.kind === "step")
      for (const { kind, message } of event.alarms)
        tell(`${stage} step ${event.step}: ${kind}: ${message}${event.action === "none" ? "" : ` → ${event.action}`}`);
    if (event.kind === "rewound") tell(`${stage}: back to step ${event.step}`);
  };

const folderOf = (run: Run, stage: StageName, steps: number): StageFolder =>
  stageFolder(runFiles(run.folder)[stage], {
    sinks: run.options.progress(stage, steps),
    onEvent: tellEvent(run.options, stage),
  });

const coldStart = (run: Run, sft: NonNullable<RunConfig["sft"]>): Promise<StageResult> => {
  const { config, data, options } = run;
  const { weightDecay, microBatch, steps: wanted, ...settings } = sft;
  const { order } = config.data;
  const examples = examplesOf(data.train, { protocol: protocolOf(config), order, seed: config.seed });
  const steps = wanted ?? sftSteps(examples.length, sft);
  options.tell(`sft: ${examples.length} critiques, ${steps} steps of ${sft.batch}`);
  return runSft({
    ...commonOf(run, folderOf(run, "sft", steps)),
    examples,
    steps,
    run: { ...settings, adam: { weightDecay } },
    microBatch: microBatch ?? undefined,
  });
};

const reinforce = async (
  run: Run,
  rl: NonNullable<RunConfig["rl"]>,
  weights: Params<HostTensor> | undefined,
): Promise<StageResult> => {
  const { config, data, options, model } = run;
  const { order } = config.data;
  const prompts = promptsOf(data.hard.pairs, { protocol: protocolOf(config), order, seed: config.seed });
  const steps = rl.steps ?? rlSteps(prompts.length, rl);
  options.tell(`rl: ${prompts.length} prompts, ${steps} steps of ${rl.rolloutBatch} × ${rl.samplesPerPrompt} replies`);
  await using opened = openReward(config);
  await using sampled = openRollouts(rl, { config, model, folder: run.folder, tell: options.tell });
  const recipe = recipeOfRun(rl);
  const { learningRate, episodes, rolloutBatch, samplesPerPrompt, trainBatch, passes, temperature, maxTokens } = rl;
  const { maxGradNorm, warmup, finalLearningRate, weightDecay } = rl;
  const adam = { ...recipe.run.adam, weightDecay };
  const sizes = { episodes, rolloutBatch, samplesPerPrompt, trainBatch, passes, temperature, maxTokens };
  const drop = { value: null, parts: {} };
  return await runRl({
    ...commonOf(run, folderOf(run, "rl", steps)),
    model: sampled.model,
    prompts,
    steps,
    reward: opened.reward,
    recipe,
    run: { ...sizes, learningRate, maxGradNorm, warmup, finalLearningRate, adam },
    weights,
    // KL is told in every report when there is a reference; without a coefficient it is not worth the memory.
    reference: rl.klCoef > 0 ? (weights ?? model.policy.parameters()) : undefined,
    microBatch: rl.microBatch ?? undefined,
    rewardConcurrency: config.reward.concurrency,
    onRewardError: config.reward.onError === "drop" ? () => drop : undefined,
    samplesKept: rl.samplesKept,
  });
};

/** @throws ConfigError when reinforcement learning would begin with half of a cold start, and nobody asked for that */
const checkFinished = async ({ folder, options }: Run, { step, state }: Snapshot): Promise<void> => {
  const { steps } = state;
  if (typeof steps !== "number" || step >= steps || options.unfinishedStart) return;
  if ((await stageFolder(runFiles(folder).rl).store.list()).length > 0) return; // it began with it long ago
  throw new ConfigError(
    `rl: the cold start in ${folder} is not finished, it is at step ${step} of ${steps}: \`r1reward train run --resume --out ${folder}\` finishes it first, --unfinished-start begins with it as it is`,
  );
};

/** Weights of a cold start that was made before, in another call. @throws ConfigError when it is not finished */
const startOf = async (run: Run, sft: StageResult | undefined): Promise<Params<HostTensor> | undefined> => {
  if (sft !== undefined) return sft.weights;
  if (run.config.sft === null) return undefined;
  const { folder, options } = run;
  const loaded = await loadCheckpoint(stageFolder(runFiles(folder).sft).store);
  if (loaded === null) options.tell("rl: there is no cold start in this folder: it begins with the model as it is");
  else {
    await checkFinished(run, loaded.snapshot);
    options.tell(`rl: begins with the cold start's step ${loaded.snapshot.step}`);
  }
  return loaded?.snapshot.weights;
};

const runStages = async (run: Run): Promise<RunOutcome> => {
  const { config, options } = run;
  const results: { -readonly [K in StageName]?: StageResult } = {};
  const wanted = wantedStages(config, options.stages);
  await writeState(run, results);
  for (const stage of wanted) {
    const result =
      stage === "sft"
        ? await coldStart(run, config.sft as NonNullable<RunConfig["sft"]>)
        : await reinforce(run, config.rl as NonNullable<RunConfig["rl"]>, await startOf(run, results.sft));
    results[stage] = result;
    await writeState(run, results);
    if (result.status !== "finished") return { status: result.status, results, exported: null };
  }
  const last = wanted.at(-1);
  const result = last === undefined ? undefined : results[last];
  const exported = last === undefined || result === undefined ? null : await exportModel(run, last, result);
  return { status: "finished", results, exported };
};

/** Is there memory for the stages? What cannot be told of the prompts is assumed. @throws EngineError, ConfigError, CheckpointError */
const roomFor = async (config: RunConfig, data: RunData, options: RunOptions): Promise<void> => {
  const { stages, signal, tell, forceMemory } = options;
  const facts = await factsOf(config, stages, { data, signal, note: () => undefined }); // screening names what is broken
  checkMemory(config, facts, { tell, force: forceMemory });
};

const tellData = ({ train, held }: RunData, tell: RunOptions["tell"]): void => {
  const skipped = [...train.skipped, ...(held?.skipped ?? [])];
  const left = skipped.length > 0 ? `, ${skipped.length} rows skipped` : "";
  tell(`data: ${train.pairs.length} pairs, ${held?.pairs.length ?? 0} held out${left}`);
  for (const { where, problem } of skipped.slice(0, 5)) tell(`skipped ${where}: ${problem}`);
};

/**
 * Trains what the configuration says; goes on where the folder's last run ended.
 * @throws R1Error of every kind, each naming its place
 */
export const trainRun = async (open: OpenRun, options: RunOptions): Promise<RunOutcome> => {
  const { config } = open;
  const { signal, tell } = options;
  wantedStages(config, options.stages);
  checkRollouts(config);
  const raw = await openData(config, signal);
  await roomFor(config, raw, options);
  const inputs = await inputsOf(config, raw, { signal });
  if (open.begun) await checkInputs(open, inputs, tell);
  await using engine = await openEngine(config);
  tell(`engine: ${engine.why}`);
  await using model = await openModel(config, engine, raw.train);
  const data = await screened(config, model, raw, signal);
  tellData(data, tell);
  await keepRun(open, inputs);
  const earlier = open.begun ? await earlierStages(open.folder, options) : {};
  return await runStages({ ...open, options, data, model, earlier }); // awaited: the engine must outlive it
};
