/**
 * Memory of weights that a model only reads: used where they lie in their file (`engine.frozen`) against loaded into memory.
 *
 *   npm run bench:frozen -- [--layers 50] [--size 1024] [--rows 16] [--json file]
 *
 * `layers` square matrices in one safetensors file (200 MB of F32 by default), applied one after another, stored as PyTorch stores
 * them (transposed) in F32 and in BF16. Each measurement is a process of its own. `own` is memory that belongs to the process alone,
 * `mapped` are pages of files, which the system shares between processes and may drop. Linux only (/proc).
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import { createEngine, fromFloat32 } from "@r1reward/stablereinforce";
import { openSafetensors, streamSafetensors } from "@r1reward/stablereinforce/node";

const { values: flags } = parseArgs({
  options: {
    layers: { type: "string", default: "50" },
    size: { type: "string", default: "1024" },
    rows: { type: "string", default: "16" },
    json: { type: "string" },
    child: { type: "string" },
    file: { type: "string" },
  },
});
const [layers, size, rows] = [flags.layers, flags.size, flags.rows].map(Number);

const memory = () => {
  const status = readFileSync("/proc/self/status", "utf8");
  const megabytes = (key) => Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)[1]) / 1024;
  return { own: megabytes("RssAnon"), mapped: megabytes("RssFile"), peak: megabytes("VmHWM") };
};

const measure = async () => {
  const engine = await createEngine({ runtime: "onnx-node" });
  const file = await openSafetensors(flags.file);
  const weights = [];
  for (let i = 0; i < layers; i++) {
    const frozen = await engine.frozen(file, `w${i}`);
    if (flags.child === "frozen") weights.push(frozen);
    else {
      const { data, shape } = await engine.read(frozen);
      weights.push(engine.tensor(data, shape));
    }
  }
  const f = engine.compile((x, ws) => ws.reduce((y, w) => tf.tanh(tf.matMul(y, w, false, true)), x), { name: "stack" });
  const x = engine.tensor(Float32Array.from({ length: rows * size }, (_, i) => Math.cos(i)), [rows, size]); // prettier-ignore
  const times = [];
  let checksum = 0;
  for (let i = 0; i < 6; i++) {
    const start = performance.now();
    const out = await f(x, weights);
    times.push(performance.now() - start);
    checksum = (await engine.read(out)).data.reduce((sum, y) => sum + Math.abs(y), 0);
    engine.dispose(out);
  }
  console.log(JSON.stringify({ ...memory(), first: times[0], ms: times.slice(1).sort((a, b) => a - b)[2], checksum }));
};

const child = (mode, file) => {
  const args = [fileURLToPath(import.meta.url), "--child", mode, "--file", file];
  const same = ["layers", "size", "rows"].flatMap((name) => [`--${name}`, flags[name]]);
  const run = spawnSync(process.execPath, [...args, ...same], { encoding: "utf8" });
  if (run.status !== 0) throw new Error(run.stderr);
  return JSON.parse(run.stdout.trim().split("\n").at(-1));
};

const main = async () => {
  const folder = mkdtempSync(join(tmpdir(), "r1reward-frozen-"));
  const results = [];
  for (const dtype of ["F32", "BF16"]) {
    const file = join(folder, `${dtype}.safetensors`);
    const specs = Array.from({ length: layers }, (_, i) => [`w${i}`, { dtype, shape: [size, size] }]);
    const matrix = (seed) => Float32Array.from({ length: size * size }, (_, i) => Math.sin(i * i * 0.7 + seed) * 0.05);
    await streamSafetensors(file, specs, (name) => fromFloat32(dtype, [size, size], matrix(Number(name.slice(1)))));
    for (const mode of ["loaded", "frozen"]) results.push({ dtype, mode, ...child(mode, file) });
  }
  rmSync(folder, { recursive: true });
  const report = { layers, size, rows, megabytes: (layers * size * size * 4) / 2 ** 20, load: loadavg()[0], results };
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(report, null, 2)}\n`);
  console.log(`${layers} matrices of ${size} × ${size}: ${report.megabytes} MB as F32; load ${report.load.toFixed(1)}`);
  for (const r of results) {
    const mb = ["own", "mapped", "peak"].map((key) => `${key} ${r[key].toFixed(0).padStart(4)} MB`).join("  ");
    console.log(
      `${r.dtype.padEnd(5)} ${r.mode.padEnd(7)} ${mb}  first ${r.first.toFixed(0)} ms, then ${r.ms.toFixed(1)} ms  Σ|y| ${r.checksum.toPrecision(6)}`,
    );
  }
};

await (flags.child === undefined ? main() : measure());
