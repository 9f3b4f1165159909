#!/usr/bin/env node
// How many judge calls a group needs: our schedules against asking every pair once, the earlier answer shown first, and
// counting wins. The judge is simulated (known noise, known bias for the answer shown first); quality is the mean correlation
// of rewards with true quality within groups.
//
//   npm run bench:judge-calls -- [--quick] [--json] [--groups n]
import { parseArgs } from "node:util";
import { circulant, scoreGroup, swiss } from "@r1reward/core";
import { simulatedJudge } from "@r1reward/core/testing";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    groups: { type: "string" },
  },
});
const most = Number(values.groups ?? (values.quick ? 40 : 300));
const sizes = [4, 8, 16, 32, 64];
/** Logits per standard deviation of quality, and for the answer shown first. */
const judges = [
  { name: "noisy", scale: 1.22, bias: 0.5 },
  { name: "sharp", scale: 3, bias: 0.5 },
  { name: "biased", scale: 1.22, bias: 1.2 },
];

/** Normal numbers from a seed (mulberry32; Box and Muller). */
const normals = (seed) => {
  let state = seed;
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return (((z ^ (z >>> 14)) >>> 0) + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
};

const correlation = (xs, ys) => {
  const mean = (list) => list.reduce((a, b) => a + b, 0) / list.length;
  const [mx, my] = [mean(xs), mean(ys)];
  let [xy, xx, yy] = [0, 0, 0];
  xs.forEach((x, i) => {
    xy += (x - mx) * (ys[i] - my);
    xx += (x - mx) ** 2;
    yy += (ys[i] - my) ** 2;
  });
  return xx * yy > 0 ? xy / Math.sqrt(xx * yy) : 0;
};

const groupsOf = (size) => {
  const count = Math.max(10, Math.round(most * Math.min(1, 12 / size)));
  const normal = normals(size);
  return Array.from({ length: count }, () => Array.from({ length: size }, normal));
};
const judgeOf = ({ scale, bias }, quality) =>
  simulatedJudge({ quality: (text) => quality[Number(text)], scale, orderBias: bias, seed: 1 });

/** Every pair once, as it stands, and the share of wins. */
const naive = async (judge, quality, id) => {
  const wins = new Array(quality.length).fill(0);
  for (let i = 0; i < quality.length; i++)
    for (let j = i + 1; j < quality.length; j++) {
      const pair = { id: `${id}/${i}-${j}`, question: [], responses: [String(i), String(j)] };
      const { verdict } = await judge.judge(pair, {});
      wins[verdict.winner === 0 ? i : j] += 1;
    }
  return { values: wins, calls: (quality.length * (quality.length - 1)) / 2 };
};
const ours = (schedule) => async (judge, quality, id) => {
  const group = { question: [], responses: quality.map((_, i) => String(i)), id };
  const { rewards, calls } = await scoreGroup(judge, group, { schedule });
  return { values: rewards.map(({ value }) => value), calls };
};

const measure = async (how, judge, groups) => {
  let [corr, calls] = [0, 0];
  for (const [at, quality] of groups.entries()) {
    const scored = await how(judgeOf(judge, quality), quality, String(at));
    corr += correlation(scored.values, quality) / groups.length;
    calls += scored.calls / groups.length;
  }
  return { corr, calls };
};

const rows = [];
for (const judge of judges) {
  for (const size of sizes) {
    const groups = groupsOf(size);
    const all = await measure(naive, judge, groups);
    const tries = [];
    // Up to all pairs: circles of growing width, and Swiss rounds of as many calls.
    for (let m = 1; m <= Math.floor(size / 2); m = m < 8 ? m + 1 : Math.ceil(m * 1.25)) {
      for (const schedule of [circulant({ m }), swiss({ rounds: 2 * m })]) {
        const tried = { schedule: schedule.name, ...(await measure(ours(schedule), judge, groups)) };
        tried.callShare = tried.calls / all.calls;
        tried.corrShare = tried.corr / all.corr;
        if (tried.callShare <= 1) tries.push(tried);
      }
      if (tries.some(({ corrShare }) => corrShare >= 0.95) && tries.some(({ callShare }) => callShare > 0.4)) break;
    }
    const within = tries.filter(({ callShare }) => callShare <= 0.4).sort((a, b) => b.corr - a.corr)[0];
    const enough = tries.filter(({ corrShare }) => corrShare >= 0.95).sort((a, b) => a.calls - b.calls)[0];
    rows.push({ judge: judge.name, size, groups: groups.length, all, within, enough });
  }
}
if (values.json) console.log(JSON.stringify({ judges, rows }, null, 2));
else {
  const percent = (share) => (share === undefined ? "–" : `${(100 * share).toFixed(0)} %`);
  console.table(
    rows.map(({ judge, size, all, within, enough }) => ({
      judge,
      size,
      "all pairs": `${all.calls} calls, ${all.corr.toFixed(2)}`,
      "best with ≤ 40 % of them":
        within === undefined ? "–" : `${within.schedule}: ${percent(within.corrShare)} of its correlation`,
      "cheapest with ≥ 95 % of its correlation":
        enough === undefined ? "–" : `${enough.schedule}: ${percent(enough.callShare)} of the calls`,
    })),
  );
}
