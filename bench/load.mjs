#!/usr/bin/env node
// What opening a model costs: readQwenFolder (headers, shapes, NaN scan, conversion to float32), and mapQwenFolder, which checks the same and
// leaves the numbers in their files, against reading the same bytes and doing nothing with them. Files are in the page cache; every measurement is a process of its own; medians over rounds.
//
//   npm run bench:load -- [--quick] [--json] [--gigabytes 1] [--rounds 5] [--folder DIR]
//
// `ratio` is the folder's time over the plain one's; CPU times are given too, for machines that do other things at the time. BF16 and F16 become twice their bytes in memory, which the plain read does not pay.
import { spawnSync } from "node:child_process";
import { mkdtempSync, openSync, readdirSync, readSync, rmSync, statSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  createEngine,
  parseQwenConfig,
  qwenParameterShapes,
  qwenSize,
} from "../packages/stablereinforce/dist/index.js";
import { mapQwenFolder, readQwenFolder, writeQwenFolder } from "../packages/stablereinforce/dist/node/index.js";

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    gigabytes: { type: "string" },
    rounds: { type: "string" },
    folder: { type: "string" },
    child: { type: "string" },
  },
});
const gigabytes = Number(flags.gigabytes ?? (flags.quick ? 0.1 : 1));
const rounds = Number(flags.rounds ?? (flags.quick ? 2 : 5));
const median = (xs) => [...xs].sort((a, b) => a - b)[Math.floor(xs.length / 2)];

/** A model of about this many parameters: layers of the 3B model's width, halved until they fit. */
const configOf = (parameters) => {
  const make = (layers, hidden) =>
    parseQwenConfig({
      model_type: "qwen2_5_vl",
      image_token_id: 3,
      video_token_id: 4,
      vision_start_token_id: 1,
      vision_end_token_id: 2,
      tie_word_embeddings: true,
      hidden_size: hidden,
      num_hidden_layers: layers,
      num_attention_heads: hidden / 128,
      num_key_value_heads: 2,
      intermediate_size: 5 * hidden,
      vocab_size: 8192,
      rms_norm_eps: 1e-6,
      max_position_embeddings: 4096,
      hidden_act: "silu",
      rope_theta: 1e6,
      use_sliding_window: false,
      rope_scaling: { type: "mrope", mrope_section: [16, 24, 24] },
      vision_config: {
        depth: 4,
        hidden_size: 256,
        hidden_act: "silu",
        num_heads: 4,
        intermediate_size: 512,
        in_chans: 3,
        patch_size: 14,
        temporal_patch_size: 2,
        spatial_merge_size: 2,
        window_size: 112,
        fullatt_block_indexes: [3],
        out_hidden_size: hidden,
        tokens_per_second: 2,
      },
    });
  const hidden = parameters > 1e8 ? 1024 : 512;
  const one = qwenSize(make(2, hidden)).total - qwenSize(make(1, hidden)).total;
  return make(Math.max(1, Math.round((parameters - qwenSize(make(1, hidden)).total) / one) + 1), hidden);
};

const weights = (config) => {
  const shapes = qwenParameterShapes(config);
  const noise = Float32Array.from({ length: 65_536 }, (_, i) => Math.sin(i) * 0.02);
  return (name) => {
    const shape = shapes.get(name);
    const data = new Float32Array(shape.reduce((product, n) => product * n, 1));
    for (let at = 0; at < data.length; at += noise.length) data.set(noise.subarray(0, data.length - at), at);
    return { data, shape, dtype: "float32" };
  };
};

/** Every byte of the weights into fresh memory, as plainly as can be. */
const plain = (folder) => {
  for (const name of readdirSync(folder).filter((one) => one.endsWith(".safetensors"))) {
    const file = openSync(join(folder, name), "r");
    const bytes = Buffer.allocUnsafeSlow(statSync(join(folder, name)).size);
    for (let at = 0; at < bytes.length;) at += readSync(file, bytes, at, Math.min(2 ** 30, bytes.length - at), at);
  }
};

if (flags.child !== undefined) {
  const engine = flags.child === "mapped" ? await createEngine() : undefined; // which is there before a model is opened
  const started = performance.now();
  const used = process.cpuUsage();
  if (flags.child === "plain") plain(flags.folder);
  else if (flags.child === "mapped") await mapQwenFolder(flags.folder, { engine });
  else await readQwenFolder(flags.folder);
  const ms = performance.now() - started;
  const { user, system } = process.cpuUsage(used);
  console.log(JSON.stringify({ ms, cpuMs: (user + system) / 1e3, rss: process.resourceUsage().maxRSS * 1024 }));
  process.exit(0);
}

const measure = (child, folder) => {
  const script = fileURLToPath(import.meta.url);
  const run = spawnSync(process.execPath, [script, "--child", child, "--folder", folder], { encoding: "utf8" });
  if (run.status !== 0) throw new Error(run.stderr);
  return JSON.parse(run.stdout);
};

const home = mkdtempSync(join(flags.folder ?? tmpdir(), "bench-load-"));
const results = [];
try {
  for (const [dtype, width] of [
    ["F32", 4],
    ["BF16", 2],
    ["F16", 2],
  ]) {
    // prettier-ignore
    const folder = join(home, dtype);
    const config = configOf((gigabytes * 1e9) / width);
    await writeQwenFolder(folder, { config, params: weights(config), dtype, maxShardBytes: 4e8 });
    const bytes = qwenSize(config).total * width;
    measure("plain", folder);
    const [times, cpuTimes] = [
      { plain: [], folder: [], mapped: [] },
      { plain: [], folder: [], mapped: [] },
    ];
    let rss = 0;
    for (let round = 0; round < rounds; round++) {
      for (const child of ["plain", "folder", "mapped"]) {
        const { ms, cpuMs, rss: used } = measure(child, folder);
        times[child].push(ms);
        cpuTimes[child].push(cpuMs);
        if (child === "folder") rss = Math.max(rss, used);
      }
    }
    const [plainMs, folderMs, mappedMs] = [times.plain, times.folder, times.mapped].map(median);
    results.push({
      dtype,
      bytes,
      plainMs,
      folderMs,
      mappedMs,
      ratio: folderMs / plainMs,
      mappedRatio: mappedMs / plainMs,
      plainCpuMs: median(cpuTimes.plain),
      folderCpuMs: median(cpuTimes.folder),
      gigabytesPerSecond: bytes / folderMs / 1e6,
      rss,
    });
    rmSync(folder, { recursive: true });
  }
} finally {
  rmSync(home, { recursive: true, force: true });
}
if (flags.json) console.log(JSON.stringify({ cpu: cpus()[0]?.model, node: process.version, rounds, results }, null, 2));
else {
  for (const { dtype, bytes, plainMs, folderMs, mappedMs, ratio, mappedRatio, rss } of results) {
    const gb = (x) => `${(x / 1e9).toFixed(2)} GB`;
    console.log(
      `${dtype.padEnd(4)} ${gb(bytes)}: plain ${plainMs.toFixed(0)} ms, folder ${folderMs.toFixed(0)} ms, ratio ${ratio.toFixed(2)}, peak ${gb(rss)}; mapped ${mappedMs.toFixed(0)} ms, ratio ${mappedRatio.toFixed(2)}`,
    );
  }
}
