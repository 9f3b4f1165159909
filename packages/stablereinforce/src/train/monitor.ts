/** Names what is going wrong in a training run, from its last reports. */
import type { StepReport, TrainingReport } from "./types.ts";

/** What can go wrong. */
export type AlarmKind =
  | "not-a-number" // loss, gradient or inputs were NaN or infinite
  | "loss-spike" // the loss left its usual range
  | "length-at-cap" // most replies are cut off
  | "repetition" // replies repeat themselves
  | "entropy-collapse" // the policy writes the same whatever the seed
  | "reward-hacking" // the reward rises while KL explodes
  | "no-signal" // rewards are all equal, step after step
  | "no-rewards" // most rewards are `null`
  | "stale-sampler"; // replies come from a program with other weights

/** One thing that is going wrong. */
export interface Alarm {
  readonly kind: AlarmKind;
  readonly step: number;
  /** Is going on pointless, or only suspicious? */
  readonly severity: "fatal" | "warning";
  /** A sentence with the numbers. */
  readonly message: string;
}

/** Where alarms begin. */
export interface MonitorLimits {
  /** Reports that are looked at; 20 by default. */
  readonly window: number;
  /** Times the largest |loss| of the window, 10 by default; losses below `lossFloor` are never spikes. */
  readonly lossFactor: number;
  /** 1 by default: a standardised policy loss is rarely larger. */
  readonly lossFloor: number;
  /** Share of replies that are cut, 0.5 by default. */
  readonly lengthAtCap: number;
  /** Mean share of repeated 3-grams, 0.5 by default. */
  readonly repetition: number;
  /** Entropy in nats below which a policy is collapsed, when it has lost nine tenths of the window's largest; 0.01 by default. */
  readonly entropy: number;
  /** Times the window's first KL, 5 by default; below `klFloor` nats nothing explodes. */
  readonly klFactor: number;
  /** 0.1 by default. */
  readonly klFloor: number;
  /** Share of rollouts without reward, 0.5 by default. */
  readonly dropped: number;
  /** Mean of log π_sampler − log π_trainer per token in nats, 0.05 by default: numerics alone stay well below. */
  readonly samplerKl: number;
}

const LIMITS: MonitorLimits = {
  window: 20,
  lossFactor: 10,
  lossFloor: 1,
  lengthAtCap: 0.5,
  repetition: 0.5,
  entropy: 0.01,
  klFactor: 5,
  klFloor: 0.1,
  dropped: 0.5,
  samplerKl: 0.05,
};

interface Sight<R> {
  readonly last: R;
  /** Those before it, oldest first. */
  readonly before: readonly R[];
  readonly limits: MonitorLimits;
}

type Finding = Pick<Alarm, "severity" | "message"> | null;

const warning = (message: string): Finding => ({ severity: "warning", message });
const fatal = (message: string): Finding => ({ severity: "fatal", message });
const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;

const notANumber = ({ last }: Sight<TrainingReport>): Finding => {
  if (last.nanCount === 0) return null;
  const kept = last.skippedUpdates > 0 ? `; ${last.skippedUpdates} updates were skipped` : "";
  const message = `${last.nanCount} updates or inputs were NaN or infinite${kept}`;
  return last.losses.every((loss) => !Number.isFinite(loss)) ? fatal(message) : warning(message);
};

/** Losses have peaks inside a step: the largest of its updates counts. */
const peakOf = ({ losses }: TrainingReport): number => losses.reduce((most, loss) => Math.max(most, Math.abs(loss)), 0);

const lossSpike = ({ last, before, limits }: Sight<TrainingReport>): Finding => {
  const usual = before.map(peakOf).filter(Number.isFinite);
  if (usual.length < 3) return null;
  const limit = Math.max(limits.lossFloor, limits.lossFactor * usual.reduce((a, b) => Math.max(a, b), 0));
  const peak = peakOf(last);
  if (!(peak > limit)) return null;
  return fatal(
    `the loss is ${peak.toPrecision(3)}, and was at most ${(limit / limits.lossFactor).toPrecision(3)} before`,
  );
};

const lengthAtCap = ({ last, limits }: Sight<StepReport>): Finding =>
  (last.lengthAtCap ?? 0) > limits.lengthAtCap
    ? warning(`${percent(last.lengthAtCap ?? 0)} of replies were cut off`)
    : null;

const repetition = ({ last, limits }: Sight<StepReport>): Finding =>
  (last.repetition ?? 0) > limits.repetition
    ? warning(`${percent(last.repetition ?? 0)} of 3-grams repeat an earlier one of their reply`)
    : null;

const entropyCollapse = ({ last, before, limits }: Sight<StepReport>): Finding => {
  const most = before.reduce((max, { entropy }) => Math.max(max, entropy ?? 0), 0);
  const { entropy, reward } = last;
  const stuck = (reward.mean ?? 0) < (reward.max ?? 0) || (reward.std ?? 0) === 0;
  if (entropy === null || entropy > limits.entropy || entropy > most / 10 || !stuck) return null;
  return warning(`the entropy fell to ${entropy.toPrecision(2)} nats from ${most.toPrecision(2)}`);
};

const rewardHacking = ({ last, before, limits }: Sight<StepReport>): Finding => {
  const [first] = before;
  if (first === undefined || last.kl === null || first.kl === null || last.reward.mean === null) return null;
  const [was, now] = [Math.max(limits.klFloor, Math.abs(first.kl)), Math.abs(last.kl)];
  if (!(now > was * limits.klFactor) || !(last.reward.mean > (first.reward.mean ?? Infinity))) return null;
  const rise = `from ${(first.reward.mean ?? 0).toPrecision(3)} to ${last.reward.mean.toPrecision(3)}`;
  return warning(
    `the reward rose ${rise} while KL went from ${first.kl.toPrecision(2)} to ${last.kl.toPrecision(2)} nats`,
  );
};

/** Steps without any difference before it is worth saying. */
const SILENT_STEPS = 5;

const noSignal = ({ last, before }: Sight<StepReport>): Finding => {
  const all = [...before, last].slice(-SILENT_STEPS);
  if (all.length < SILENT_STEPS || all.some(({ zeroSpread }) => zeroSpread !== 1)) return null;
  return warning(`rewards did not differ in ${SILENT_STEPS} steps: there is nothing to learn from`);
};

const noRewards = ({ last, limits }: Sight<StepReport>): Finding => {
  const share = last.dropped / Math.max(1, last.dropped + last.rollouts);
  return share > limits.dropped ? warning(`${percent(share)} of rollouts had no reward`) : null;
};

/** Reports of before there was such a number have none. */
const staleSampler = ({ last, limits }: Sight<StepReport>): Finding => {
  const { samplerKl = null } = last as Partial<StepReport>;
  if (samplerKl === null || !(samplerKl > limits.samplerKl)) return null;
  return warning(
    `the program that samples is ${samplerKl.toPrecision(2)} nats a token from the trainer: its weights are older, or others`,
  );
};

const COMMON: Partial<Record<AlarmKind, (sight: Sight<TrainingReport>) => Finding>> = {
  "not-a-number": notANumber,
  "loss-spike": lossSpike,
};

const WITH_REWARDS: Partial<Record<AlarmKind, (sight: Sight<StepReport>) => Finding>> = {
  "length-at-cap": lengthAtCap,
  repetition,
  "entropy-collapse": entropyCollapse,
  "reward-hacking": rewardHacking,
  "no-signal": noSignal,
  "no-rewards": noRewards,
  "stale-sampler": staleSampler,
};

const look = <R extends TrainingReport>(
  checks: Partial<Record<AlarmKind, (sight: Sight<R>) => Finding>>,
  sight: Sight<R>,
): Alarm[] =>
  (Object.entries(checks) as [AlarmKind, (sight: Sight<R>) => Finding][]).flatMap(([kind, check]) => {
    const finding = check(sight);
    return finding === null ? [] : [{ kind, step: sight.last.step, ...finding }];
  });

const isRl = (report: TrainingReport): report is StepReport => report.kind === "rl";

/**
 * What is wrong as of the last report. A pure function: the same reports give the same alarms.
 * @param history Reports in order; only the last `window` are looked at.
 */
export const diagnose = (history: readonly TrainingReport[], limits: Partial<MonitorLimits> = {}): readonly Alarm[] => {
  const full = { ...LIMITS, ...limits };
  const seen = history.slice(-full.window);
  const [last, before] = [seen.at(-1), seen.slice(0, -1)];
  if (last === undefined) return [];
  const common = look(COMMON, { last, before, limits: full });
  if (!isRl(last)) return common;
  return [...common, ...look(WITH_REWARDS, { last, before: before.filter(isRl), limits: full })];
};
