/** Supervised training: the cold start before reinforcement learning (arXiv 2505.02835, section 4.1). */
import { div, maximum, mul, neg, sum, type Scalar } from "@tensorflow/tfjs-core";
import { ConfigError, throwIfAborted } from "@r1reward/core";
import { createLearner, type Update } from "./learner.ts";
import type { Objective } from "./learner-graphs.ts";
import { memoryUsed, updatesReport } from "./measure.ts";
import { expectWhole, numberOf, partsOf, ratesOf, resumeAt, tooLate } from "./plan.ts";
import { rowSource } from "./sft-rows.ts";
import type { SftReport, Snapshot, TrainSftOptions, Yielded } from "./types.ts";

/** −Σ log π(y_t) / Σ 1 over the replies' tokens: every token weighs the same. */
const crossEntropy: Objective = ({ logp }, { mask }, total) => {
  if (mask === undefined) throw new ConfigError("minibatch: expected a mask");
  const tokens: Scalar = sum(mask);
  const loss: Scalar = div(neg(sum(mul(logp, mask))), maximum(total?.tokens ?? tokens, 1));
  return { loss, stats: { tokens } };
};

const settingsOf = (run: TrainSftOptions["run"] = {}) => ({
  learningRate: run.learningRate ?? 1e-5,
  epochs: run.epochs ?? 1,
  batch: expectWhole("batch", run.batch ?? 256),
  together: expectWhole("groupByLength", run.groupByLength ?? 1),
  adam: { beta1: 0.9, beta2: 0.95, weightDecay: 0, ...run.adam },
  maxGradNorm: run.maxGradNorm ?? 1,
  warmup: run.warmup ?? 0.03,
  finalLearningRate: run.finalLearningRate ?? 0.1,
});

const setUp = <Truth>(options: TrainSftOptions<Truth>) => {
  const { policy, examples, seed = 42, from, nonFinite = "skip" } = options;
  if (examples.length === 0) throw new ConfigError("examples: expected at least one, got none");
  const settings = settingsOf(options.run);
  const { batch, together, learningRate, adam, maxGradNorm } = settings;
  const all = Math.max(1, Math.ceil((settings.epochs * examples.length) / batch));
  const steps = expectWhole("steps", options.steps ?? all, 0);
  const sorted = together === 1 ? {} : { groupByLength: together };
  const data = { examples: examples.length, batch, ...sorted };
  const identity = { kind: "sft", policy: policy.name, seed, steps, ...data, learningRate };
  const step = resumeAt(from, identity);
  const updates = from === undefined ? 0 : numberOf(from, "updates");
  const weights = options.weights ?? policy.parameters();
  const learner = createLearner({
    policy,
    weights,
    objective: crossEntropy,
    adam,
    maxGradNorm,
    ...partsOf(batch, options.microBatch),
    nonFinite,
    from,
  });
  const rates = ratesOf(settings, Math.max(1, steps));
  const rowsAt = rowSource(examples, { seed, batch, together });
  return { options, rowsAt, steps, batch, identity, learner, rates, nonFinite, progress: { step, updates } };
};

type Run<Truth> = ReturnType<typeof setUp<Truth>>;

const stepOnce = async <Truth>(run: Run<Truth>): Promise<SftReport> => {
  const { learner, rates, progress, nonFinite } = run;
  const began = performance.now();
  const rows = await run.rowsAt(progress.step);
  const learningRate = rates(progress.step);
  const mask = rows.map(({ tokens }) => new Float32Array(tokens.length).fill(1));
  const update: Update = await learner.update({ rows, columns: { mask } }, learningRate);
  const elapsed = (performance.now() - began) / 1000;
  const tokens = rows.reduce((total, row) => total + row.tokens.length, 0);
  progress.step += 1;
  progress.updates += 1;
  return {
    kind: "sft",
    step: progress.step,
    updates: progress.updates,
    epoch: (progress.step * run.batch) / run.options.examples.length,
    ...updatesReport([update], nonFinite),
    learningRate,
    tokens,
    tokensPerSecond: tokens / Math.max(elapsed, 1e-9),
    memory: memoryUsed(),
    seconds: elapsed,
  };
};

/**
 * Teaches a policy to write the replies of examples and yields every step.
 *
 * @throws ConfigError on settings that cannot be, or a snapshot of another run; AbortError
 */
export async function* trainSft<Truth = unknown>(
  options: TrainSftOptions<Truth>,
): AsyncGenerator<Yielded<SftReport>, void, undefined> {
  const run = setUp(options);
  const { learner, identity, progress } = run;
  try {
    while (progress.step < run.steps) {
      throwIfAborted(options.signal);
      const report = await stepOnce(run);
      const turn = { open: true };
      const snapshot = async (): Promise<Snapshot> => {
        if (!turn.open) throw tooLate(report.step);
        const { step, updates } = progress;
        return { step, ...(await learner.snapshot()), state: { ...identity, updates } };
      };
      const params = (): ReturnType<typeof learner.params> => {
        if (!turn.open) throw tooLate(report.step);
        return learner.params();
      };
      yield { ...report, snapshot, params };
      turn.open = false;
    }
  } finally {
    await learner[Symbol.asyncDispose]();
  }
}
