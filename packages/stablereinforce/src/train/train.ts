/**
 * Reinforcement learning of a policy: prompts → rollouts → rewards → advantages → loss → update.
 *
 * It neither prints nor saves: it yields a report of every step, and with it the way to a snapshot.
 */
import { atStep, throwIfAborted } from "@r1reward/core";
import { toBatch, type Batch } from "./advantage.ts";
import { collect, type Rated } from "./collect.ts";
import type { Update } from "./learner.ts";
import { dataAt, minibatches, replySeed } from "./order.ts";
import { tooLate } from "./plan.ts";
import { klOf, reportOf } from "./report.ts";
import { setUp, type Run } from "./setup.ts";
import type { RatedRollout, Snapshot, TrainingStep, TrainStableReinforceOptions } from "./types.ts";

const seconds = (): number => performance.now() / 1000;

const rollOut = async <Truth>(run: Run<Truth>): Promise<readonly Rated<Truth>[]> => {
  const { options, settings, seed, progress } = run;
  const { rolloutBatch, samplesPerPrompt, temperature, maxTokens } = settings;
  const { step } = progress;
  const taken = dataAt({ seed, n: options.prompts.length }, step * rolloutBatch, rolloutBatch);
  const requests = taken.map((index, n) => ({
    prompt: options.prompts[index] as (typeof options.prompts)[number],
    group: `${step}/${n}`,
    seeds: Array.from({ length: samplesPerPrompt }, (_, i) => replySeed(seed, step, [n, i])),
  }));
  const { signal } = options;
  const replies = options.policy.sample(run.learner.params(), requests, { temperature, maxTokens, signal });
  return collect(atStep(options.reward, step), replies, { ...options, sizes: requests.map(() => samplesPerPrompt) });
};

const minibatchOf = <Truth>({ rollouts, advantages, logpRef }: Batch<Truth>, indices: readonly number[]) => {
  const pick = <T>(values: readonly T[]): T[] => indices.map((n) => values[n] as T);
  const rows = pick(rollouts);
  const columns = {
    logpOld: rows.map(({ logpOld }) => logpOld),
    logpRollout: rows.map(({ logpOld, logpRollout }) => logpRollout ?? logpOld),
    advantage: pick(advantages),
    mask: rows.map(({ tokens }) => new Float32Array(tokens.length).fill(1)),
  };
  return { rows, columns: logpRef === undefined ? columns : { ...columns, logpRef: pick(logpRef) } };
};

const learn = async <Truth>(run: Run<Truth>, batch: Batch<Truth>) => {
  const { settings, seed, progress, rates, updatesPerStep } = run;
  const updates: Update[] = [];
  const rateNow = (): number => rates(progress.step * updatesPerStep + updates.length);
  let learningRate = rateNow();
  for (let pass = 0; pass < settings.passes; pass++) {
    for (const indices of minibatches(batch.rollouts.length, settings.trainBatch, [seed, progress.step, pass])) {
      throwIfAborted(run.options.signal);
      learningRate = rateNow();
      updates.push(await run.learner.update(minibatchOf(batch, indices), learningRate));
    }
  }
  return { updates, learningRate };
};

/** One step. Afterwards `run.progress` is that of the next. */
const stepOnce = async <Truth>(run: Run<Truth>): Promise<Omit<TrainingStep<Truth>, "snapshot" | "params">> => {
  const { progress } = run;
  const { klCoef } = progress;
  const began = seconds();
  const rated = await rollOut(run);
  const sampled = seconds();
  const batch = await toBatch(run, rated);
  const { updates, learningRate } = await learn(run, batch);
  const kl = klOf(batch as Batch<unknown>);
  progress.step += 1;
  progress.updates += updates.length;
  if (kl !== null && Number.isFinite(kl))
    progress.klCoef = run.recipe.klController.next(klCoef, kl, batch.rollouts.length);
  const ended = seconds();
  const times = { sampleSeconds: sampled - began, updateSeconds: ended - sampled, seconds: ended - began };
  const samples: readonly RatedRollout<Truth>[] = batch.rollouts;
  return { ...reportOf(run, { batch, updates, learningRate, klCoef, ...times }), samples };
};

const snapshotOf = async <Truth>({ learner, identity, progress }: Run<Truth>): Promise<Snapshot> => {
  const { step, updates, klCoef } = progress;
  return { step, ...(await learner.snapshot()), state: { ...identity, updates, klCoef } };
};

/**
 * Trains a policy with StableReinforce, or with whatever the recipe says, and yields every step.
 *
 * @throws ConfigError on settings that cannot be, or a snapshot of another run; RewardError when a reward fails and there is
 *   no `onRewardError`; NumericError when a reward or an advantage is no number; AbortError
 */
export async function* trainStableReinforce<Truth = unknown>(
  options: TrainStableReinforceOptions<Truth>,
): AsyncGenerator<TrainingStep<Truth>, void, undefined> {
  const run = setUp(options);
  const { policy, signal } = options;
  try {
    while (run.progress.step < run.steps) {
      throwIfAborted(signal);
      const step = await stepOnce(run);
      const turn = { open: true };
      const snapshot = (): Promise<Snapshot> => (turn.open ? snapshotOf(run) : Promise.reject(tooLate(step.step)));
      const params = (): ReturnType<typeof run.learner.params> => {
        if (!turn.open) throw tooLate(step.step);
        return run.learner.params();
      };
      yield { ...step, snapshot, params };
      turn.open = false;
    }
  } finally {
    await run.learner[Symbol.asyncDispose]();
    policy.engine.dispose(run.reference ?? {});
  }
}
