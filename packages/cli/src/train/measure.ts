/** How long a step takes here: two real steps when the model fits, else one large matrix product. */
import {
  examplesOf,
  memoryStore,
  productSpeed,
  promptsOf,
  runRl,
  runSft,
  type Engine,
  type PipelineModel,
  type StageEvent,
  type StageRecorder,
} from "@r1reward/stablereinforce";
import type { RunConfig } from "./config/schema.ts";
import { openData, type RunData } from "./data.ts";
import type { RunFacts } from "./facts.ts";
import { openEngine, openModel, openReward, protocolOf, recipeOfRun } from "./parts.ts";

/** What was measured. */
export interface Measured {
  readonly from: "measured" | "flops" | "nothing";
  readonly runtime: string;
  readonly provider: string;
  /** Of one large matrix product. */
  readonly gflops: number | null;
  /** Seconds of a step by stage. */
  readonly seconds: Readonly<Partial<Record<"sft" | "rl", number>>>;
}

/** The most that measuring may take: a run that long is estimated from its sizes. */
const PATIENCE = 20;

const timeOf = async (work: (record: () => Promise<StageRecorder>) => Promise<unknown>): Promise<number> => {
  const seconds: number[] = [];
  const write = (event: StageEvent): Promise<void> => {
    if (event.kind === "step") seconds.push(event.report.seconds);
    return Promise.resolve();
  };
  await work(() => Promise.resolve({ history: [], write, [Symbol.asyncDispose]: () => Promise.resolve() }));
  return seconds.at(-1) ?? NaN; // the first one traces its graphs
};

interface Opened {
  readonly config: RunConfig;
  readonly model: PipelineModel;
  readonly data: RunData;
  readonly signal: AbortSignal;
}

const timeSft = ({ config, model, data, signal }: Opened, sft: NonNullable<RunConfig["sft"]>): Promise<number> => {
  const examples = examplesOf(data.train, { protocol: protocolOf(config), order: config.data.order });
  const run = { batch: sft.batch, learningRate: sft.learningRate };
  const microBatch = sft.microBatch ?? undefined;
  return timeOf((record) =>
    runSft({ model, examples, run, microBatch, steps: 2, store: memoryStore(), record, signal }),
  );
};

const timeRl = async ({ config, model, data, signal }: Opened, rl: NonNullable<RunConfig["rl"]>): Promise<number> => {
  await using opened = openReward({ ...config, reward: { ...config.reward, referee: "rule" } }); // no call is paid for
  const prompts = promptsOf(data.hard.pairs, { protocol: protocolOf(config), order: config.data.order });
  const { rolloutBatch, samplesPerPrompt, trainBatch, passes, temperature, maxTokens } = rl;
  const run = { rolloutBatch, samplesPerPrompt, trainBatch, passes, temperature, maxTokens };
  const common = { model, prompts, reward: opened.reward, recipe: recipeOfRun(rl), run, steps: 2, signal };
  const reference = rl.klCoef > 0 ? model.policy.parameters() : undefined;
  const microBatch = rl.microBatch ?? undefined;
  return await timeOf((record) => runRl({ ...common, reference, microBatch, store: memoryStore(), record }));
};

const measureReal = async (config: RunConfig, facts: RunFacts, engine: Engine, signal: AbortSignal) => {
  const data = await openData(config, signal);
  await using model = await openModel(config, engine, data.train);
  const opened = { config, model, data, signal };
  const wanted = new Set(facts.stages.map(({ stage }) => stage));
  return {
    ...(config.sft !== null && wanted.has("sft") ? { sft: await timeSft(opened, config.sft) } : {}),
    ...(config.rl !== null && wanted.has("rl") ? { rl: await timeRl(opened, config.rl) } : {}),
  };
};

/** Times what can be timed within a minute or so; what fails is noted. */
export const measureStages = async (
  config: RunConfig,
  facts: RunFacts,
  how: { readonly fits: boolean; readonly note: (error: unknown) => void; readonly signal: AbortSignal },
): Promise<Measured> => {
  try {
    await using engine = await openEngine(config);
    const { runtime, provider } = engine;
    const gflops = await productSpeed(engine);
    const flops = (stage: RunFacts["stages"][number]) =>
      6 * facts.model.parameters * stage.rowsPerStep * (stage.promptTokens + stage.replyTokens);
    const quick = facts.stages.every((stage) => flops(stage) / (gflops * 1e9) < PATIENCE);
    if (!facts.weightsThere || !how.fits || !quick || facts.pairs === null)
      return { from: "flops", runtime, provider, gflops, seconds: {} };
    try {
      return {
        from: "measured",
        runtime,
        provider,
        gflops,
        seconds: await measureReal(config, facts, engine, how.signal),
      };
    } catch (error) {
      how.note(error);
      return { from: "flops", runtime, provider, gflops, seconds: {} };
    }
  } catch (error) {
    how.note(error);
    const { runtime, provider } = config.engine;
    return { from: "nothing", runtime, provider, gflops: null, seconds: {} };
  }
};
