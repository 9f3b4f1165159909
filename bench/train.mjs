/**
 * Training step (forward, backward, AdamW) on every engine, in turn, with the same weights, tokens and losses.
 *
 *   node bench/train.mjs [--config A|B|C] [--engines onnx-node,onnx-web,tfjs-wasm,torch,torch-compile]
 *                        [--grow batch|length|layers|vocab] [--rounds 3] [--steps 6] [--threads n] [--spin on|off] [--python .venv/bin/python] [--json file]
 *
 * `onnx-node-checkpoint` is `onnx-node` with every block under `checkpoint`. `--grow` measures one of our engines (the first of
 * `--engines`) at a quarter, half, once and twice a size: time and memory of a step, compilation, first step.
 *
 * Each measurement runs in its own process (so that peak memory is its own); rounds go through the engines in turn, and the median
 * over rounds of each round's median step is reported. The matrix-product peak is measured in the same rounds.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { CONFIGS, flopsPerStep, makeData, makeStep, shapesOf } from "./train-model.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

const { values: flags } = parseArgs({
  options: {
    config: { type: "string", default: "A" },
    engines: { type: "string", default: "onnx-node,onnx-web,tfjs-wasm,torch,torch-compile" },
    rounds: { type: "string", default: "3" },
    steps: { type: "string", default: "6" },
    threads: { type: "string", default: String(availableParallelism()) },
    spin: { type: "string", default: "off" },
    python: { type: "string", default: here("../.venv/bin/python") },
    json: { type: "string" },
    grow: { type: "string" },
    sizes: { type: "string", default: "{}" },
    child: { type: "string" },
  },
});
if (CONFIGS[flags.config] === undefined) throw new Error(`--config: expected A, B or C, got ${flags.config}`);
const config = { ...CONFIGS[flags.config], ...JSON.parse(flags.sizes) };
const [rounds, steps, threads] = [flags.rounds, flags.steps, flags.threads].map(Number);
const WARMUP = 2;

const median = (xs) => [...xs].sort((a, b) => a - b)[Math.floor(xs.length / 2)];

/** In the child: steps of one of our engines, as one line of JSON. */
const measure = async (name) => {
  const runtime = name.replace("-checkpoint", "");
  const { createEngine } = await import("@r1reward/stablereinforce");
  const engine = await createEngine({ runtime, threads, spin: flags.spin === "on" });
  const { weights, tokens } = makeData(config);
  const step = engine.compile(makeStep(config, { checkpoint: name !== runtime }), { name: "train", donate: [0] });
  const shapes = shapesOf(config);
  const tree = (f) => Object.fromEntries(shapes.map(([name, shape], i) => [name, f(shape, i)]));
  const zeros = () => tree((shape) => engine.tensor(new Float32Array(shape.reduce((p, n) => p * n, 1)), shape));
  let state = {
    params: tree((shape, i) => engine.tensor(weights[i], shape)),
    opt: { m: zeros(), v: zeros(), step: engine.tensor(0) },
  };
  const batch = engine.tensor(tokens, [config.batch, config.length + 1]);
  const prepared = performance.now();
  const graph = await step.warm(state, batch);
  const compileMs = performance.now() - prepared;
  const [times, losses] = [[], []];
  for (let i = 0; i < WARMUP + steps; i++) {
    const start = performance.now();
    const out = await step(state, batch);
    losses.push(await engine.number(out.loss));
    state = out.state;
    times.push(performance.now() - start);
  }
  const peakRssMb = process.resourceUsage().maxRSS / 1024;
  const ms = median(times.slice(WARMUP));
  console.log(JSON.stringify({ ms, firstMs: times[0], losses, compileMs, nodes: graph.nodes, peakRssMb }));
};

/** In the child: the best of a few 1024³ products on the runtime, in GFLOP/s. */
const measurePeak = async (name) => {
  const runtime = name.replace("-checkpoint", "");
  const tf = await import("@tensorflow/tfjs-core");
  const { createEngine } = await import("@r1reward/stablereinforce");
  const engine = await createEngine({ runtime, threads, spin: flags.spin === "on" });
  const n = runtime === "onnx-node" ? 2048 : 1024;
  const product = engine.compile((a, b) => tf.sum(tf.matMul(a, b)), { name: "peak" });
  const x = engine.tensor(new Float32Array(n * n).fill(0.5), [n, n]);
  let best = Infinity;
  for (let i = 0; i < 8; i++) {
    const start = performance.now();
    await engine.read(await product(x, x));
    best = Math.min(best, performance.now() - start);
  }
  console.log(JSON.stringify({ gflops: (2 * n ** 3) / best / 1e6 }));
};

const lastJson = (run, what) => {
  const line = run.stdout.trim().split("\n").at(-1) ?? "";
  if (run.status !== 0)
    return { error: `${what}: ${(run.stderr || run.signal || "failed").toString().trim().split("\n").at(-1)}` };
  return JSON.parse(line);
};

const child = (what, sizes = {}) => {
  const args = [
    here("train.mjs"),
    "--child",
    what,
    "--config",
    flags.config,
    "--steps",
    flags.steps,
    "--threads",
    flags.threads,
    "--spin",
    flags.spin,
    "--sizes",
    JSON.stringify(sizes),
  ];
  return lastJson(spawnSync(process.execPath, args, { encoding: "utf8", maxBuffer: 2 ** 26 }), what);
};

const torch = (mode, folder) => {
  const args = [here("train_torch.py"), folder, mode, String(WARMUP), String(steps), String(threads)];
  const env = { ...process.env, OMP_WAIT_POLICY: "PASSIVE", OMP_NUM_THREADS: String(threads) };
  return lastJson(spawnSync(flags.python, args, { encoding: "utf8", env }), mode);
};

const writeData = () => {
  const folder = mkdtempSync(join(tmpdir(), "r1reward-bench-"));
  const { weights, tokens } = makeData(config);
  const bytes = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
  writeFileSync(join(folder, "weights.bin"), Buffer.concat(weights.map(bytes)));
  writeFileSync(join(folder, "tokens.bin"), bytes(tokens));
  writeFileSync(join(folder, "config.json"), JSON.stringify({ ...config, shapes: shapesOf(config) }));
  return folder;
};

const summary = (name, runs, peak) => {
  const good = runs.filter((run) => run.error === undefined);
  if (good.length === 0) return { engine: name, error: runs[0]?.error };
  const ms = median(good.map((run) => run.ms));
  const gflops = flopsPerStep(config) / ms / 1e6;
  const { losses, compileMs, nodes } = good[0];
  const peakRssMb = Math.max(...good.map((run) => run.peakRssMb));
  return {
    engine: name,
    ms,
    all: good.map((run) => run.ms),
    gflops,
    share: peak > 0 ? gflops / peak : null,
    losses,
    compileMs,
    nodes,
    peakRssMb,
  };
};

/** One engine at growing sizes. */
const grow = () => {
  const [name] = flags.engines.split(",");
  const at = config[flags.grow];
  if (!["batch", "length", "layers", "vocab"].includes(flags.grow)) {
    throw new Error(`--grow: expected batch, length, layers or vocab, got ${flags.grow}`);
  }
  const points = [at / 4, at / 2, at, at * 2].filter((n) => Number.isInteger(n) && n > 0);
  const rows = points.map((n) => {
    const sizes = { [flags.grow]: n };
    const runs = Array.from({ length: rounds }, () => child(name, sizes)).filter((run) => run.error === undefined);
    if (runs.length === 0) return { n, error: "no run ended well" };
    const of = (key) => median(runs.map((run) => run[key]));
    const gflops = flopsPerStep({ ...config, ...sizes }) / of("ms") / 1e6;
    return { n, ms: of("ms"), gflops, peakRssMb: of("peakRssMb"), compileMs: of("compileMs"), firstMs: of("firstMs") };
  });
  const report = { config: flags.config, grow: flags.grow, engine: name, threads, rounds, load: loadavg()[0], rows };
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(report, null, 2)}\n`);
  console.log(
    `config ${flags.config}, ${name}, ${threads} threads, load ${report.load.toFixed(1)}; growing ${flags.grow}`,
  );
  for (const r of rows)
    console.log(
      r.error !== undefined
        ? `${String(r.n).padStart(7)} ${r.error}`
        : `${String(r.n).padStart(7)} ${r.ms.toFixed(0).padStart(8)} ms ${r.gflops.toFixed(0).padStart(5)} GFLOP/s ${r.peakRssMb.toFixed(0).padStart(6)} MB  compile ${r.compileMs.toFixed(0)} ms, first step ${r.firstMs.toFixed(0)} ms`,
    );
};

const main = () => {
  const folder = writeData();
  const engines = flags.engines.split(",").filter((name) => !name.startsWith("torch") || existsSync(flags.python));
  const runs = Object.fromEntries(engines.map((name) => [name, []]));
  const peaks = Object.fromEntries(engines.map((name) => [name, 0]));
  for (let round = 0; round < rounds; round++) {
    for (const name of engines) {
      const isTorch = name.startsWith("torch");
      const peak = isTorch ? torch("peak", folder) : child(`peak:${name}`);
      peaks[name] = Math.max(peaks[name], peak.gflops ?? 0);
      const run = isTorch ? torch(name, folder) : child(name);
      runs[name].push(run);
      process.stderr.write(`round ${round + 1} ${name}: ${run.error ?? `${run.ms.toFixed(1)} ms`}\n`);
    }
  }
  rmSync(folder, { recursive: true });
  const results = engines.map((name) => ({ ...summary(name, runs[name], peaks[name]), peakGflops: peaks[name] }));
  const report = {
    config: flags.config,
    sizes: config,
    threads,
    rounds,
    steps,
    gflopPerStep: flopsPerStep(config) / 1e9,
    node: process.version,
    cpu: cpus()[0]?.model,
    cores: availableParallelism(),
    results,
  };
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(report, null, 2)}\n`);
  console.log(`config ${flags.config}: ${report.gflopPerStep.toFixed(1)} GFLOP per step, ${threads} threads`);
  for (const r of results) {
    if (r.error !== undefined) console.log(`${r.engine.padEnd(14)} ${r.error}`);
    else
      console.log(
        `${r.engine.padEnd(14)} ${r.ms.toFixed(1).padStart(9)} ms ${r.gflops.toFixed(0).padStart(5)} GFLOP/s ${((r.share ?? 0) * 100).toFixed(0).padStart(4)} % of peak ${r.peakRssMb.toFixed(0).padStart(6)} MB  loss ${r.losses[0].toFixed(5)} → ${r.losses.at(-1).toFixed(5)}`,
      );
  }
};

if (flags.child?.startsWith("peak:")) await measurePeak(flags.child.slice(5));
else if (flags.child !== undefined) await measure(flags.child);
else if (flags.grow !== undefined) grow();
else main();
