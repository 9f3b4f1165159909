#!/usr/bin/env node
// What the algorithm costs: StableReinforce's loss and gradient at [64, 512] on our engines and in PyTorch, on the same numbers,
// in turn, and the advantage estimators on 4,096 rollouts. Every measurement is a process of its own; medians over rounds.
//
//   npm run bench:loss -- [--quick] [--json] [--rounds n] [--engines onnx-node,onnx-web,tfjs-wasm,torch] [--threads n]
//                         [--shape 64x512] [--python .venv/bin/python]
//
// `ms` is loss and gradient, inputs already there, until the loss can be read; `msWithStats` has the nine scalars of the report
// as well, which PyTorch does not compute here.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    rounds: { type: "string" },
    engines: { type: "string", default: "onnx-node,onnx-web,tfjs-wasm,torch" },
    threads: { type: "string", default: String(availableParallelism()) },
    shape: { type: "string", default: "64x512" },
    python: { type: "string", default: here("../.venv/bin/python") },
    child: { type: "string" },
    folder: { type: "string" },
  },
});
const shape = flags.shape.split("x").map(Number);
const [B, T] = shape;
const rounds = Number(flags.rounds ?? (flags.quick ? 1 : 5));
const repeats = flags.quick ? 20 : 200;
const NAMES = ["logp", "logpOld", "advantage", "mask"];

const median = (xs) => [...xs].sort((a, b) => a - b)[Math.floor(xs.length / 2)];

/** Numbers in [0, 1) that are the same everywhere (mulberry32). */
const random = (seed) => () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let x = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
  return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
};

const makeData = () => {
  const next = random(1);
  const logpOld = Float32Array.from({ length: B * T }, () => -3 * next());
  const logp = logpOld.map((x) => x + (next() < 0.01 ? 20 : 0.5) * (next() - 0.5));
  const advantage = Float32Array.from({ length: B * T }, () => 4 * (next() - 0.5));
  const lengths = Array.from({ length: B }, () => 1 + Math.floor(next() * T));
  const mask = Float32Array.from({ length: B * T }, (_, i) => (i % T < lengths[Math.floor(i / T)] ? 1 : 0));
  return { logp, logpOld, advantage, mask };
};

const time = async (work) => {
  for (let i = 0; i < 10; i++) await work();
  const times = [];
  for (let i = 0; i < repeats; i++) {
    const start = performance.now();
    await work();
    times.push(performance.now() - start);
  }
  return median(times);
};

/** In the child: our loss and gradient on a runtime. */
const measureLoss = async (runtime) => {
  const { createEngine, lossAndGradient, stableReinforce } = await import("@r1reward/stablereinforce");
  const engine = await createEngine({ runtime, threads: Number(flags.threads) });
  const inputs = Object.fromEntries(
    NAMES.map((name) => {
      const bytes = readFileSync(join(flags.folder, `${name}.bin`));
      return [
        name,
        engine.tensor(new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)), shape),
      ];
    }),
  );
  const loss = stableReinforce();
  const whole = engine.compile((given) => lossAndGradient(loss, given), { name: "whole" });
  const bare = engine.compile(
    (given) => {
      const { loss: value, gradient, stats } = lossAndGradient(loss, given);
      // eager runtimes have computed the stats by now; they are kept, so they must be given back
      if (!engine.compiles) for (const x of Object.values(stats)) x.dispose();
      return { loss: value, gradient };
    },
    { name: "bare" },
  );
  let [value, norm] = [0, 0];
  const run = (f) => async () => {
    const out = await f(inputs);
    value = await engine.number(out.loss);
    engine.dispose(out);
  };
  const first = await bare(inputs);
  norm = Math.hypot(...(await engine.read(first.gradient)).data);
  const [ms, msWithStats] = [await time(run(bare)), await time(run(whole))];
  console.log(JSON.stringify({ ms, msWithStats, loss: value, gradientNorm: norm }));
};

/** In the child: each estimator, and the filter, on 4,096 rollouts of up to 1,023 tokens, 8 to a prompt. */
const measureEstimators = async () => {
  const { advantageEstimators, filterAdvantages } = await import("@r1reward/stablereinforce");
  const next = random(2);
  const row = (n) => Float32Array.from({ length: n }, () => -3 * next());
  const batch = Array.from({ length: 4096 }, (_, i) => {
    const n = 1 + Math.floor(next() * 1023);
    const parts = { result: Number(next() < 0.6), format: Number(next() < 0.9) };
    const reward = parts.result * 1.5 + parts.format * 0.5;
    return { group: String(i >> 3), reward, parts, logpOld: row(n), logpRef: row(n), values: row(n) };
  });
  const tokens = batch.reduce((sum, { logpOld }) => sum + logpOld.length, 0);
  const results = {};
  const clock = (work) => {
    const times = [];
    for (let i = 0; i < (flags.quick ? 3 : 9); i++) {
      const start = performance.now();
      work();
      times.push(performance.now() - start);
    }
    return median(times);
  };
  for (const [name, make] of Object.entries(advantageEstimators)) {
    const estimate = make(name === "reinforce" || name === "gae" ? { klCoef: 0.01 } : {});
    results[name] = clock(() => estimate(batch));
  }
  const raw = advantageEstimators.reinforce()(batch);
  results.filterAdvantages = clock(() => filterAdvantages(raw));
  console.log(JSON.stringify({ rollouts: batch.length, tokens, ms: results }));
};

const child = (what, folder) => {
  const ours = [
    here("loss.mjs"),
    "--child",
    what,
    "--folder",
    folder,
    "--threads",
    flags.threads,
    "--shape",
    flags.shape,
  ];
  const theirs = [here("loss_torch.py"), folder, String(B), String(T), String(repeats), flags.threads];
  const [command, args] = what === "torch" ? [flags.python, theirs] : [process.execPath, ours];
  const env = { ...process.env, OMP_WAIT_POLICY: "PASSIVE", OMP_NUM_THREADS: flags.threads }; // torch's threads would spin
  const extra = flags.quick && what !== "torch" ? ["--quick"] : [];
  const run = spawnSync(command, [...args, ...extra], { encoding: "utf8", timeout: 180_000, env });
  if (run.status !== 0) return { error: `${what}: ${(run.stderr || String(run.signal)).trim().split("\n").at(-1)}` };
  return JSON.parse(run.stdout.trim().split("\n").at(-1));
};

const summary = (name, runs) => {
  const good = runs.filter((run) => run.error === undefined);
  if (good.length === 0) return { engine: name, error: runs[0]?.error ?? "not run" };
  const stats = good[0].msWithStats === undefined ? {} : { msWithStats: median(good.map((run) => run.msWithStats)) };
  const { loss, gradientNorm } = good[0];
  return {
    engine: name,
    ms: median(good.map((run) => run.ms)),
    all: good.map((run) => run.ms),
    ...stats,
    loss,
    gradientNorm,
  };
};

/** Engines that do not compute the same thing are not comparable. */
const disagreement = (results) => {
  const good = results.filter((one) => one.error === undefined);
  const differs = (key) =>
    good.some((one) => Math.abs(one[key] - good[0][key]) > 1e-4 * Math.max(1, Math.abs(good[0][key])));
  return good.length === 0 ? "nothing ran" : differs("loss") || differs("gradientNorm") ? "losses differ" : undefined;
};

const main = () => {
  const folder = mkdtempSync(join(tmpdir(), "r1reward-bench-"));
  const data = makeData();
  for (const name of NAMES) writeFileSync(join(folder, `${name}.bin`), Buffer.from(data[name].buffer));
  const engines = flags.engines.split(",").filter((name) => name !== "torch" || existsSync(flags.python));
  const runs = Object.fromEntries(engines.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) for (const name of engines) runs[name].push(child(name, folder));
  const results = engines.map((name) => summary(name, runs[name]));
  const estimators = child("estimators", folder);
  rmSync(folder, { recursive: true });
  const machine = {
    node: process.version,
    cpu: cpus()[0]?.model,
    cores: availableParallelism(),
    threads: Number(flags.threads),
  };
  const problem = disagreement(results);
  if (flags.json)
    console.log(JSON.stringify({ shape, rounds, repeats, machine, results, estimators, problem }, null, 2));
  else {
    console.log(`loss and gradient [${B}, ${T}], median of ${rounds} × ${repeats}, ${flags.threads} threads`);
    for (const one of results) {
      const stats = one.msWithStats === undefined ? "" : `  with stats ${one.msWithStats.toFixed(3)} ms`;
      console.log(
        one.error ??
          `${one.engine.padEnd(10)} ${one.ms.toFixed(3).padStart(8)} ms${stats}  loss ${one.loss.toFixed(5)}`,
      );
    }
    console.log(estimators.error ?? `estimators: ${estimators.rollouts} rollouts, ${estimators.tokens} tokens`);
    for (const [name, ms] of Object.entries(estimators.ms ?? {}))
      console.log(`${name.padEnd(18)} ${ms.toFixed(1).padStart(7)} ms`);
  }
  if (problem !== undefined) throw new Error(problem);
};

if (flags.child === "estimators") await measureEstimators();
else if (flags.child !== undefined) await measureLoss(flags.child);
else main();
