/**
 * What a run can be told, in one place: the checks, the published JSON schema and the types come from here.
 * Defaults are in `presets.ts`; a preset and a file together must give every field that is not optional. What no preset
 * has (the server of rollouts, what can be left out of a model) has its defaults in its own schema.
 */
import { algorithms, type AlgorithmName } from "@r1reward/stablereinforce";
import { z } from "zod";
import { above0, count, natural, said, server, share } from "./fields.ts";
import { model } from "./model-schema.ts";
import { rollouts } from "./rollouts-schema.ts";

const source = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: said(z.literal("file"), "pairs in a file"),
    train: said(z.string().min(1), "JSONL, JSON or parquet in any layout that `r1reward eval` reads"),
    heldOut: said(
      z.string().min(1).optional(),
      "pairs to measure on; left out, evaluation.pairs of the training pairs are held out",
    ),
    format: said(z.string().min(1).optional(), "layout of the rows; told from the first one by default"),
    imageRoot: said(z.string().min(1).optional(), "folder that image paths in the rows are relative to"),
    limit: said(count.optional(), "only the first so many pairs"),
    critiqueField: said(z.string().min(1), "field of a row with the critique that the cold start learns to write"),
    attemptsField: said(
      z.string().min(1),
      "field of a row with the attempts its teacher needed: the paper's difficulty",
    ),
    minAttempts: said(natural, "reinforcement learning takes pairs that needed at least so many; 0 takes all"),
  }),
  z.strictObject({
    kind: said(z.literal("shapes"), "drawn scenes with two answers of which one is right, made from a seed"),
    pairs: said(count, "pairs to learn from"),
    seed: natural,
    grade: said(z.union([z.literal("mixed"), z.literal(1), z.literal(2), z.literal(3), z.literal(4)]), "how hard"),
    kinds: said(z.array(z.string().min(1)).min(1).optional(), "kinds of questions; all by default"),
  }),
]);

const data = z.strictObject({
  source,
  order: said(
    z.enum(["balanced", "both", "as-stored"]),
    "how pairs are shown: the better one first in half of them, both ways, or as they stand",
  ),
  maxPixels: said(z.int().min(784), "pixel budget of a picture; larger ones are scaled down as Qwen2.5-VL does"),
  check: said(z.boolean(), "read every picture and measure every prompt before training begins"),
  onBroken: said(z.enum(["error", "skip"]), "a row that cannot be used ends the run, or is left out and counted"),
});

const optimiser = {
  batch: said(count, "rows of an update"),
  microBatch: said(count.nullable(), "rows in memory at a time; null: all of an update"),
  learningRate: above0,
  weightDecay: z.number().min(0),
  maxGradNorm: above0,
  warmup: said(share, "share of all updates spent warming up"),
  finalLearningRate: said(share, "end of the cosine as a share of the peak"),
  steps: said(count.nullable(), "steps in all; null: as many as the passes make"),
};

const sft = z.strictObject({
  epochs: above0,
  groupByLength: said(
    count.optional(),
    "batches whose rows are sorted by length together, so that less is padded; 1 by default: none",
  ),
  ...optimiser,
});

const { batch: _batch, ...shared } = optimiser;
const rl = z.strictObject({
  algorithm: said(z.enum(Object.keys(algorithms) as [AlgorithmName, ...AlgorithmName[]]), "how rewards become updates"),
  episodes: said(above0, "passes over the prompts"),
  rolloutBatch: said(count, "prompts of a step"),
  samplesPerPrompt: count,
  trainBatch: said(count, "rollouts of an update"),
  passes: said(count, "passes over a rollout batch"),
  temperature: above0,
  maxTokens: said(count, "longest reply"),
  ...shared,
  epsilon: said(above0.max(1), "PPO's clip"),
  preClip: said(
    z.strictObject({ deltaMin: above0.max(1), deltaMax: z.number().min(1) }).nullable(),
    "bounds of the ratio before exp; null takes Pre-CLIP out",
  ),
  filterSigmas: said(above0.nullable(), "advantages further out are set to 0; null takes the filter out"),
  entropyShare: said(
    above0.max(1).nullable().optional(),
    "share of a batch's tokens, those with the highest entropy, that get policy gradient (0.2 in arXiv 2506.01939); left out or null: all",
  ),
  klCoef: said(z.number().min(0), "weight of KL to the start of the stage"),
  klTarget: said(above0.nullable(), "wanted mean KL in nats: the weight follows it"),
  samplesKept: said(natural, "replies of a step that are kept to read"),
  rollouts,
});

const reward = z.strictObject({
  formatWeight: z.number(),
  consistencyWeight: z.number(),
  inconsistent: said(
    z.union([z.literal(0), z.literal(-1)]),
    "what a critique whose verdict contradicts its thought counts: 0 in the paper, -1 in the released code",
  ),
  undecided: said(
    z.literal(0).nullable(),
    "what consistency counts when nobody could tell: 0, or null to drop the rollout",
  ),
  referee: said(
    z.union([z.literal("rule"), server]),
    "who decides what the rule for plain statements leaves open: nobody, or a model",
  ),
  concurrency: said(count, "rewards asked for at once"),
  onError: said(z.enum(["stop", "drop"]), "a reward that fails ends the run, or the rollout is dropped and counted"),
});

const evaluation = z.strictObject({
  every: said(count, "steps between measurements"),
  pairs: said(count, "pairs held out"),
  maxTokens: count,
  batch: said(count, "critiques sampled together"),
});

const monitor = z.strictObject({
  onAlarm: said(z.enum(["continue", "stop", "roll-back"]), "what is done when an alarm is fatal, or is one of actOn"),
  actOn: said(
    z.array(
      z.enum([
        "loss-spike",
        "length-at-cap",
        "repetition",
        "entropy-collapse",
        "reward-hacking",
        "no-signal",
        "no-rewards",
        "stale-sampler",
      ]),
    ),
    "warnings that are acted on like fatal alarms",
  ),
  snapshotEvery: count,
  maxRollBacks: natural,
});

/** A whole run. */
export const runSchema = z.strictObject({
  name: said(z.string().min(1), "what reports call the run"),
  seed: natural,
  model,
  engine: z.strictObject({
    runtime: z.enum(["auto", "onnx-node", "onnx-web", "tfjs-node-gpu", "tfjs-node", "tfjs-wasm", "tfjs-cpu"]),
    provider: z.enum(["cpu", "cuda", "webgpu", "dml", "coreml"]),
    precision: z.enum(["float32", "float16", "bfloat16"]),
    threads: said(count.nullable(), "null: all cores"),
    arena: said(
      z.boolean(),
      "keep the memory of graphs between runs: faster; false takes less than half where lengths differ",
    ),
    mapWeights: said(
      z.boolean().default(false),
      "leave weights that are not trained in the model's files, where graphs read them: a fraction of the memory",
    ),
    maxBatch: said(count, "sequences sampled side by side"),
  }),
  protocol: said(z.enum(["r1", "r1-train", "shapes"]), "how the policy is asked, and how its replies are read"),
  data,
  sft: said(sft.nullable(), "the cold start; null leaves it out"),
  rl: said(rl.nullable(), "reinforcement learning; null leaves it out"),
  reward,
  evaluation: said(evaluation.nullable(), "null measures nothing"),
  checkpoints: z.strictObject({ every: count, keep: count }),
  monitor,
  export: said(
    z
      .strictObject({
        weights: z.enum(["best", "last"]),
        dtype: said(z.enum(["F32", "BF16", "F16"]).default("F32"), "what the numbers are stored as"),
      })
      .nullable(),
    "write the trained model as a Hugging Face folder",
  ),
});

/** A run with every field filled in: what is kept in the run's folder. */
export type RunConfig = z.infer<typeof runSchema>;
