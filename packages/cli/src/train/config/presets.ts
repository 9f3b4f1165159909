/**
 * Presets: what the paper says, what its released script says, and a run that ends within minutes on any machine. Values are those
 * of the paper's section 4 and of `scripts/train.sh`; docs/guide/train.md has them side by side with their sources.
 */

/** A value of a configuration file. */
export type ConfigValue = null | boolean | number | string | readonly ConfigValue[] | ConfigObject;
/** An object of a configuration file. */
export interface ConfigObject {
  readonly [key: string]: ConfigValue;
}

const ADAM = { weightDecay: 0, maxGradNorm: 1, warmup: 0.03, finalLearningRate: 0.1, steps: null };

/** What the paper and the script share. `model.path` and `data.source.train` are yours to say. */
const COMMON = {
  seed: 42,
  model: { kind: "qwen25vl", context: 8192, lora: null, checkpoint: true },
  engine: { runtime: "auto", provider: "cpu", precision: "float32", threads: null, arena: true, maxBatch: 64 },
  protocol: "r1",
  data: {
    source: { kind: "file", critiqueField: "critique", attemptsField: "attempts", minAttempts: 0 },
    order: "balanced",
    maxPixels: 501_760,
    check: true,
    onBroken: "error",
  },
  rl: {
    algorithm: "stable-reinforce",
    episodes: 5,
    rolloutBatch: 256,
    samplesPerPrompt: 1,
    trainBatch: 128,
    microBatch: null,
    passes: 1,
    temperature: 1,
    maxTokens: 1024,
    learningRate: 1e-6,
    ...ADAM,
    epsilon: 0.2,
    preClip: { deltaMin: 1e-3, deltaMax: 1e3 },
    filterSigmas: 3,
    klCoef: 0,
    klTarget: null,
    samplesKept: 2,
  },
  reward: {
    formatWeight: 0.5,
    consistencyWeight: 0.5,
    inconsistent: 0,
    undecided: 0,
    referee: "rule",
    concurrency: 16,
    onError: "stop",
  },
  evaluation: { every: 25, pairs: 500, maxTokens: 1024, batch: 64 },
  checkpoints: { every: 25, keep: 2 },
  monitor: { onAlarm: "stop", actOn: [], snapshotEvery: 10, maxRollBacks: 3 },
  export: { weights: "best" },
} satisfies ConfigObject;

/** Section 4.1: cold start with 1e-5 and batches of 256, then 1e-6, no KL, 5 passes over the pairs that needed 2 attempts or more. */
const paper: ConfigObject = {
  ...COMMON,
  name: "paper",
  data: { ...COMMON.data, source: { ...COMMON.data.source, minAttempts: 2 } },
  sft: { epochs: 1, batch: 256, microBatch: null, learningRate: 1e-5, ...ADAM },
};

/** `scripts/train.sh`: no cold start, 3e-7, a KL coefficient of 1e-3, one pass over everything, a contradiction costs. */
const script: ConfigObject = {
  ...COMMON,
  name: "script",
  protocol: "r1-train",
  sft: null,
  rl: { ...COMMON.rl, episodes: 1, learningRate: 3e-7, klCoef: 1e-3 },
  reward: { ...COMMON.reward, inconsistent: -1 },
};

/** Everything at a size that a laptop trains in minutes: fresh weights, drawn scenes of the easiest grade. */
const tiny: ConfigObject = {
  ...COMMON,
  name: "tiny",
  model: {
    kind: "qwen25vl-fresh",
    size: {
      hiddenSize: 64,
      layers: 2,
      heads: 4,
      kvHeads: 2,
      intermediateSize: 128,
      visionHiddenSize: 32,
      visionDepth: 2,
      visionHeads: 2,
      visionIntermediateSize: 64,
      vocabSize: 512,
      seed: 0,
      ropeTheta: 16,
      // The drawings' background is close to 0 then, and patches hold what stands before it.
      pixels: { mean: [0.92, 0.92, 0.92], std: [0.3, 0.3, 0.3] },
    },
    context: 512,
    checkpoint: false,
  },
  protocol: "shapes",
  data: {
    ...COMMON.data,
    source: { kind: "shapes", pairs: 512, seed: 1, grade: 1 },
    order: "both",
    maxPixels: 12_544,
  },
  sft: { epochs: 4, batch: 32, microBatch: null, learningRate: 3e-3, ...ADAM },
  rl: {
    ...COMMON.rl,
    episodes: 1,
    rolloutBatch: 32,
    samplesPerPrompt: 2,
    trainBatch: 32,
    maxTokens: 128,
    learningRate: 1e-4,
  },
  evaluation: { every: 20, pairs: 64, maxTokens: 128, batch: 64 },
  checkpoints: { every: 10, keep: 2 },
};

/** Presets by name. */
export const presets: Readonly<Record<string, ConfigObject>> = { paper, script, tiny };
