#!/usr/bin/env node
// Group rewards: what the fit costs, what scoring costs on top of the judge, and how well each preset recovers the true
// order from a judge of known errors (a simulation, not a measurement of any model).
//
//   npm run bench:group -- [--quick] [--json] [--groups n] [--scale logits] [--bias logits]
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { bradleyTerry, schedules, scoreGroup } from "@r1reward/core";
import { simulatedJudge } from "@r1reward/core/testing";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    groups: { type: "string" },
    scale: { type: "string", default: "1.22" },
    bias: { type: "string", default: "0.5" },
  },
});
const groups = Number(values.groups ?? (values.quick ? 50 : 1000));
const [scale, bias] = [Number(values.scale), Number(values.bias)];
const repeats = values.quick ? 20 : 300;

/** Uniform numbers from a seed (mulberry32), and normal ones (Box and Muller). */
const random = (seed) => {
  let state = seed;
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return (((z ^ (z >>> 14)) >>> 0) + 0.5) / 2 ** 32;
  };
  return { uniform, normal: () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()) };
};

const sorted = (numbers) => [...numbers].sort((a, b) => a - b);
const quantile = (numbers, share) => sorted(numbers)[Math.floor(share * (numbers.length - 1))];

const timed = (work) => {
  const started = performance.now();
  work();
  return performance.now() - started;
};

/** Two comparisons per item as `balanced` makes them, and all ordered pairs as `exact` does. */
const fitTimes = () =>
  [8, 16, 32, 64].flatMap((size) => {
    const { uniform, normal } = random(size);
    const quality = Array.from({ length: size }, normal);
    return [2, size - 1].map((perItem) => {
      const games = Array.from({ length: size * perItem }, (_, at) => {
        const i = at % size;
        const j = (i + 1 + Math.floor(at / size)) % size;
        return { i, j, first: i, p: uniform() < 1 / (1 + Math.exp(quality[j] - quality[i] - bias)) ? 1 : 0 };
      });
      for (let warm = 0; warm < 50; warm++) bradleyTerry(games);
      const times = Array.from({ length: repeats }, () => timed(() => bradleyTerry(games)));
      return { size, comparisons: games.length, medianMs: quantile(times, 0.5), p95Ms: quantile(times, 0.95) };
    });
  });

const VERDICT = {
  verdict: { kind: "winner", winner: 0 },
  reasoning: "",
  text: "",
  swapped: false,
  usage: { promptTokens: 0, completionTokens: 0 },
  latencyMs: 0,
  cached: false,
  warnings: [],
};
const freeJudge = { name: "free", judge: () => Promise.resolve(VERDICT) };

/** A judge that costs nothing: what is left is ours, fit included. */
const overheads = async () => {
  const rows = [];
  for (const preset of Object.keys(schedules)) {
    for (const size of [8, 16]) {
      const group = { question: [], responses: Array.from({ length: size }, (_, i) => `response ${i}`) };
      const times = [];
      let calls = 0;
      for (let round = -20; round < repeats; round++) {
        const started = performance.now();
        ({ calls } = await scoreGroup(freeJudge, group, { preset, seed: round }));
        if (round >= 0) times.push(performance.now() - started);
      }
      rows.push({
        preset,
        size,
        calls,
        medianMs: quantile(times, 0.5),
        perCallUs: (1000 * quantile(times, 0.5)) / calls,
      });
    }
  }
  return rows;
};

const correlation = (xs, ys) => {
  const mean = (list) => list.reduce((a, b) => a + b, 0) / list.length;
  const [mx, my] = [mean(xs), mean(ys)];
  const sum = (f) => xs.reduce((total, _, i) => total + f(i), 0);
  const norm = Math.sqrt(sum((i) => (xs[i] - mx) ** 2) * sum((i) => (ys[i] - my) ** 2));
  return norm === 0 ? 0 : sum((i) => (xs[i] - mx) * (ys[i] - my)) / norm;
};

const simulate = async (preset, size) => {
  const { normal } = random(size);
  const count = preset === "exact" && size > 8 ? Math.ceil(groups / 4) : groups;
  const corrs = [];
  const totals = { top: 0, calls: 0, bias: 0, flips: 0, flipped: 0 };
  for (let group = 0; group < count; group++) {
    const quality = Array.from({ length: size }, normal);
    const judge = simulatedJudge({ quality: (text) => quality[Number(text)], scale, orderBias: bias, seed: 1 });
    const responses = quality.map((_, i) => String(i));
    const scores = await scoreGroup(judge, { question: [], responses, id: String(group) }, { preset });
    const rewards = scores.rewards.map(({ value }) => value);
    corrs.push(correlation(rewards, quality));
    totals.top += rewards.indexOf(Math.max(...rewards)) === quality.indexOf(Math.max(...quality)) ? 1 : 0;
    totals.calls += scores.calls;
    totals.bias += scores.orderBias.value;
    if (scores.flipRate !== null) [totals.flips, totals.flipped] = [totals.flips + 1, totals.flipped + scores.flipRate];
  }
  const corr = corrs.reduce((a, b) => a + b, 0) / count;
  const deviation = Math.sqrt(corrs.reduce((sum, value) => sum + (value - corr) ** 2, 0) / Math.max(1, count - 1));
  return {
    preset,
    size,
    calls: totals.calls / count,
    groups: count,
    corr,
    corrStandardError: deviation / Math.sqrt(count),
    top1: totals.top / count,
    meanOrderBias: totals.bias / count,
    flipRate: totals.flips === 0 ? null : totals.flipped / totals.flips,
  };
};

const simulation = [];
const fit = fitTimes();
const overhead = await overheads();
for (const size of [8, 16]) for (const preset of Object.keys(schedules)) simulation.push(await simulate(preset, size));
const machine = { node: process.version, cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length };

if (values.json) console.log(JSON.stringify({ machine, scale, bias, fit, overhead, simulation }, null, 2));
else {
  const round = (row) =>
    Object.fromEntries(
      Object.entries(row).map(([key, value]) => [
        key,
        typeof value === "number" ? Number(value.toPrecision(4)) : value,
      ]),
    );
  console.log(`Node ${machine.node}, ${machine.cores} x ${machine.cpu}`);
  console.log("\nBradley-Terry fit");
  console.table(fit.map(round));
  console.log("\nscoreGroup with a judge that costs nothing");
  console.table(overhead.map(round));
  console.log(`\nSimulated judge: ${scale} logits per standard deviation of quality, order bias ${bias}`);
  console.table(simulation.map(round));
}
