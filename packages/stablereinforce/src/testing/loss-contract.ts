/**
 * The loss contract: what every policy loss must keep, whoever wrote it. Hand the list to any test runner:
 *
 *   for (const { name, check } of lossContract(myLoss, { engine })) it(name, check);
 */
import type { Loss } from "../algorithm/types.ts";
import type { Engine } from "../engine/index.ts";
import type { ContractCheck } from "./kernel-contract.ts";
import { lossRunner, type LossResult, type LossRows, type LossRunner, type Rows } from "./loss-runner.ts";

/** What the contract may expect. */
export interface LossContractOptions {
  readonly engine: Engine;
  /** False where the gradient is on purpose not the value's (stopped gradients). Default true. */
  readonly differentiable?: boolean | undefined;
  /** False where tokens beyond the Pre-CLIP bounds keep a gradient. Default true. */
  readonly zeroBeyondPreClip?: boolean | undefined;
}

type Checked = (runner: LossRunner, options: LossContractOptions) => Promise<void>;

const broken = (what: string, got: unknown): Error => new Error(`loss contract broken: ${what}: got ${String(got)}`);

const holds = (condition: boolean, what: string, got: unknown = condition): void => {
  if (!condition) throw broken(what, got);
};

const near = (got: number, want: number, slack: number): boolean => Math.abs(got - want) <= slack;

const map = (rows: Rows, f: (x: number, b: number, t: number) => number): Rows =>
  rows.map((row, b) => row.map((x, t) => f(x, b, t)));

const LENGTHS = [5, 3, 4, 1];

/** Log-ratios in and out of the usual clip ranges, both signs of the advantage, none near a kink. */
const sample = (): LossRows => {
  const gaps = [0.07, -0.11, 0.6, -0.8, 1.4, 2.5, 0.09, -1.9, 0.35, -0.06, 0.45, -0.5, 3.1];
  const grid = (f: (i: number) => number): Rows =>
    LENGTHS.map((_, b) => LENGTHS.map((_x, t) => f(5 * b + t)).concat(f(5 * b + 4)));
  const logpOld = grid((i) => -0.3 - ((i * 7) % 11) * 0.21);
  return {
    logpOld,
    logp: map(logpOld, (x, b, t) => x + (gaps[(5 * b + t) % gaps.length] as number)),
    logpRef: map(logpOld, (x, b, t) => x + 0.3 * Math.sin(b + 2 * t)),
    logpRollout: map(logpOld, (x, b, t) => x + 0.2 * Math.cos(3 * b + t)),
    entropy: grid((i) => 0.5 + 0.1 * (i % 4)),
    advantage: grid((i) => [1.2, -0.7, 0.4, -1.6, 0.9, -0.2, 2.1][i % 7] as number),
    mask: LENGTHS.map((n) => [0, 1, 2, 3, 4].map((t) => (t < n ? 1 : 0))),
  };
};

const isFiniteResult = (result: LossResult, what: string): void => {
  holds(Number.isFinite(result.loss), `${what}: a finite loss`, result.loss);
  for (const g of result.gradient.flat()) holds(Number.isFinite(g), `${what}: a finite gradient`, g);
  for (const [name, x] of Object.entries(result.stats)) holds(Number.isFinite(x), `${what}: a finite ${name}`, x);
};

const same = (got: LossResult, want: LossResult, what: string): void => {
  holds(near(got.loss, want.loss, 1e-5 * Math.max(1, Math.abs(want.loss))), `${what}: loss ${want.loss}`, got.loss);
  const scale = Math.max(1e-6, ...want.gradient.flat().map(Math.abs));
  want.gradient.forEach((row, b) =>
    row.forEach((g, t) => {
      const other = got.gradient[b]?.[t] ?? Number.NaN;
      holds(near(other, g, 1e-5 * scale), `${what}: gradient[${b}][${t}] ${g}`, other);
    }),
  );
};

const finite: Checked = async (runner) => isFiniteResult(await runner.run(sample()), "ordinary inputs");

const H = 4e-3;

const differences: Checked = async (runner) => {
  const rows = sample();
  const { gradient } = await runner.run(rows);
  const scale = Math.max(...gradient.flat().map(Math.abs));
  holds(scale > 0, "a gradient that is not 0 everywhere", scale);
  const moved = async (b: number, t: number, by: number): Promise<number> =>
    (await runner.run({ ...rows, logp: map(rows.logp, (x, i, j) => (i === b && j === t ? x + by : x)) })).loss;
  for (const [b, row] of rows.mask.entries()) {
    for (const t of row.keys()) {
      const slope = ((await moved(b, t, H)) - (await moved(b, t, -H))) / (2 * H);
      const got = gradient[b]?.[t] ?? Number.NaN;
      holds(near(got, slope, 4e-3 * scale), `gradient[${b}][${t}] equals the central difference ${slope}`, got);
    }
  }
};

const GARBAGE = [Number.NaN, Infinity, -Infinity, 1e30];

const padded: Checked = async (runner) => {
  const rows = sample();
  const junk = (n: number): readonly number[] => Array.from({ length: n }, (_, i) => GARBAGE[i % 4] as number);
  const wider = (x: Rows | undefined): Rows | undefined =>
    x && [...x.map((row) => [...row, ...junk(3)]), junk(8), junk(8)];
  const nothing = (n: number): readonly number[] => Array.from({ length: n }, () => 0);
  const big = Object.fromEntries(
    (Object.keys(rows) as (keyof LossRows)[]).map((name) => [name, wider(rows[name] as Rows)]),
  ) as unknown as LossRows;
  const mask = [...rows.mask.map((row) => [...row, ...nothing(3)]), nothing(8), nothing(8)];
  const [small, large] = [await runner.run(rows), await runner.run({ ...big, mask })];
  isFiniteResult(large, "padding full of NaN and Inf");
  same(large, small, "padding changes nothing");
  const outside = large.gradient.flatMap((row, b) => row.filter((_, t) => mask[b]?.[t] === 0));
  holds(
    outside.every((g) => g === 0),
    "padding has gradient 0",
    outside,
  );
  holds(large.stats.nonFinite === 0, "padding does not count as not finite", large.stats.nonFinite);
};

const extreme: Checked = async (runner, { zeroBeyondPreClip = true }) => {
  const gaps = [800, -800, 800, -800];
  const logpOld = gaps.map((gap) => [gap > 0 ? -800 : 0, gap > 0 ? -800 : 0]);
  const logp = map(logpOld, (x, b) => x + (gaps[b] as number));
  const advantage = [1, 1, -1, -1].map((a) => [a, a]);
  const all = { logpRef: logp, logpRollout: logpOld, entropy: map(logp, () => 1), mask: map(logp, () => 1) };
  const result = await runner.run({ logp, logpOld, advantage, ...all });
  isFiniteResult(result, "log-ratios of ±800 nats");
  if (!zeroBeyondPreClip) return;
  holds(
    result.gradient.flat().every((g) => g === 0),
    "gradient 0 at ±800 nats",
    result.gradient,
  );
  holds(result.stats.preClipped === 1, "all tokens of ±800 nats count as pre-clipped", result.stats.preClipped);
};

const poisoned: Checked = async (runner) => {
  for (const name of ["logp", "logpOld", "advantage"] as const) {
    for (const poison of [Number.NaN, Infinity, -Infinity]) {
      const rows = sample();
      const bad = map(rows[name], (x, b, t) => (b === 0 && t === 2 ? poison : x));
      const result = await runner.run({ ...rows, [name]: bad });
      isFiniteResult(result, `${poison} in ${name}`);
      holds(result.stats.nonFinite === 1, `${poison} in ${name} is counted once`, result.stats.nonFinite);
    }
  }
};

const microBatches: Checked = async (runner) => {
  const rows = sample();
  const whole = await runner.run(rows);
  const total = { sequences: LENGTHS.length, tokens: LENGTHS.reduce((a, b) => a + b, 0) };
  const part = (from: number, to: number): LossRows => ({
    ...(Object.fromEntries(
      (Object.entries(rows) as [string, Rows][]).map(([name, x]) => [name, x.slice(from, to)]),
    ) as unknown as LossRows),
    total,
  });
  const [a, b] = [await runner.run(part(0, 1)), await runner.run(part(1, 4))];
  const joined = { ...a, loss: a.loss + b.loss, gradient: [...a.gradient, ...b.gradient] };
  same(joined, whole, "micro-batches add up to the batch");
};

const shuffled: Checked = async (runner) => {
  const rows = sample();
  const turned = Object.fromEntries(
    (Object.entries(rows) as [string, Rows][]).map(([name, x]) => [name, [...x].reverse()]),
  ) as unknown as LossRows;
  const result = await runner.run(turned);
  const back = { ...result, gradient: [...result.gradient].reverse() };
  same(back, await runner.run(rows), "the order of sequences does not matter");
};

const nothingWritten: Checked = async (runner) => {
  const rows = sample();
  const result = await runner.run({ ...rows, mask: map(rows.mask, () => 0) });
  isFiniteResult(result, "a batch without tokens");
  holds(result.loss === 0, "a batch without tokens has loss 0", result.loss);
};

const reported: Checked = async (runner) => {
  const { stats } = await runner.run(sample());
  holds(stats.tokens === 13, "13 tokens", stats.tokens);
  for (const name of ["preClipped", "clipped", "zeroAdvantage"] as const) {
    holds(stats[name] >= 0 && stats[name] <= 1, `${name} is a share`, stats[name]);
  }
  holds(stats.ratioMin <= 1 && stats.ratioMax >= 1, "ratio extremes lie around 1", [stats.ratioMin, stats.ratioMax]);
};

const CHECKS: readonly (readonly [string, Checked])[] = [
  ["loss, gradient and stats are finite", finite],
  ["the gradient equals central differences", differences],
  ["padding changes nothing, whatever it holds", padded],
  ["log-ratios of ±800 nats stay finite", extreme],
  ["a NaN or Inf is left out and counted", poisoned],
  ["micro-batches add up to the batch", microBatches],
  ["the order of sequences does not matter", shuffled],
  ["a batch without tokens has loss 0", nothingWritten],
  ["stats are what they say", reported],
];

const leakless = async (loss: Loss, options: LossContractOptions, checked: Checked): Promise<void> => {
  const before = options.engine.liveTensors();
  const runner = lossRunner(options.engine, loss);
  try {
    await checked(runner, options);
  } finally {
    await runner.dispose();
  }
  const after = options.engine.liveTensors();
  holds(after === before, `${before} live tensors afterwards`, after);
};

/** The contract's checks for one loss on one engine. `check` rejects with what was broken. */
export const lossContract = (loss: Loss, options: LossContractOptions): readonly ContractCheck[] =>
  CHECKS.filter(([, checked]) => checked !== differences || options.differentiable !== false).map(
    ([name, checked]) => ({
      name,
      kernel: "loss",
      check: () => leakless(loss, options, checked),
    }),
  );
