/**
 * Reinforcement learning of a policy: prompts → rollouts → rewards → advantages → loss → update.
 *
 * It neither prints nor saves: it yields a report of every step, and with it the way to a snapshot.
 */
import { throwIfAborted, type Reward } from "@r1reward/core";
import type { TokenRow } from "../policy/index.ts";
import type { Rollout } from "../algorithm/index.ts";
import { toBatch, type Batch } from "./advantage.ts";
import type { Minibatch, Update } from "./learner.ts";
import { minibatches } from "./order.ts";
import { tooLate } from "./plan.ts";
import { klOf, reportOf } from "./report.ts";
import { rollOut } from "./rollout.ts";
import { setUp, type Run } from "./setup.ts";
import type { RatedRollout, Snapshot, TrainingStep, TrainStableReinforceOptions } from "./types.ts";

const seconds = (): number => performance.now() / 1000;

interface Learnt {
  readonly updates: readonly Update[];
  readonly learningRate: number;
  /** `[N][T_n]`, now known of every row. */
  readonly logpOld: readonly Float32Array[];
}

const ones = ({ tokens }: TokenRow): Float32Array => new Float32Array(tokens.length).fill(1);

const zeros = ({ tokens }: TokenRow): Float32Array => new Float32Array(tokens.length);

/** What the program that sampled said of each token; NaN where it said nothing. */
const toldBySampler = ({ tokens, logpRollout = new Float32Array(0) }: Pick<Rollout, "tokens" | "logpRollout">) => {
  const told = new Float32Array(tokens.length).fill(NaN);
  told.set(logpRollout.subarray(0, tokens.length));
  return told;
};

/** What the loss is given of some rows. Where `fresh` is 1, log π_old is what the update's own forward pass says. */
const minibatchOf = <Truth>(
  { rows: all, advantages, logpRef }: Batch<Truth>,
  indices: readonly number[],
  { logpOld, fresh }: { readonly logpOld: readonly Float32Array[]; readonly fresh: boolean },
): Minibatch => {
  const pick = <T>(values: readonly T[]): T[] => indices.map((n) => values[n] as T);
  const rows = pick(all);
  const columns = {
    logpOld: fresh ? rows.map(zeros) : pick(logpOld),
    fresh: rows.map(fresh ? ones : zeros),
    logpRollout: rows.map(toldBySampler),
    advantage: pick(advantages),
    mask: rows.map(ones),
  };
  return { rows, columns: logpRef === undefined ? columns : { ...columns, logpRef: pick(logpRef) } };
};

const learn = async <Truth>(run: Run<Truth>, batch: Batch<Truth>): Promise<Learnt> => {
  const { settings, seed, progress, rates, updatesPerStep } = run;
  const updates: Update[] = [];
  const logpOld = [...batch.logpOld];
  const rateNow = (): number => rates(progress.step * updatesPerStep + updates.length);
  let learningRate = rateNow();
  for (let pass = 0; pass < settings.passes; pass++) {
    for (const indices of minibatches(batch.rows.length, settings.trainBatch, [seed, progress.step, pass])) {
      throwIfAborted(run.options.signal);
      learningRate = rateNow();
      const fresh = updates.length === 0 && batch.deferred.size > 0;
      const update = await run.learner.update(minibatchOf(batch, indices, { logpOld, fresh }), learningRate);
      if (fresh) indices.forEach((n, i) => (logpOld[n] = update.logp[i] as Float32Array));
      updates.push(update);
    }
  }
  return { updates, learningRate, logpOld };
};

const ratedRollouts = <Truth>(
  { rows, rewards }: Batch<Truth>,
  logpOld: readonly Float32Array[],
): readonly RatedRollout<Truth>[] =>
  rows.map(({ place: _place, ...rest }, n) => ({
    ...rest,
    logpOld: logpOld[n] as Float32Array,
    reward: rewards[n] as Reward,
  }));

/** One step. Afterwards `run.progress` is that of the next. */
const stepOnce = async <Truth>(run: Run<Truth>): Promise<Omit<TrainingStep<Truth>, "snapshot" | "params">> => {
  const { progress } = run;
  const { klCoef } = progress;
  const began = seconds();
  const { rated, ...sampling } = await rollOut(run);
  const sampled = seconds();
  const batch = await toBatch(run, rated);
  const { updates, learningRate, logpOld } = await learn(run, batch);
  const samples = ratedRollouts(batch, logpOld);
  const kl = klOf(samples, batch.logpRef);
  progress.step += 1;
  progress.updates += updates.length;
  if (kl !== null && Number.isFinite(kl)) progress.klCoef = run.recipe.klController.next(klCoef, kl, samples.length);
  const ended = seconds();
  const times = { sampleSeconds: sampled - began, updateSeconds: ended - sampled, seconds: ended - began };
  const { filtered, lowEntropy } = batch;
  const learnt = { samples, updates, learningRate, klCoef, kl, filtered, lowEntropy };
  return { ...reportOf(run, { ...learnt, ...sampling, ...times }), samples };
};

const snapshotOf = async <Truth>({ learner, identity, progress }: Run<Truth>): Promise<Snapshot> => {
  const { step, updates, klCoef, taken } = progress;
  return { step, ...(await learner.snapshot()), state: { ...identity, updates, klCoef, taken } };
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
