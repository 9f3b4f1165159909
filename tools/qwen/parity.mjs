// Our half of parity.py: reads a folder, computes, writes it anew. Run on the built package.
import { join } from "node:path";
import {
  createEngine,
  fromFloat32,
  qwenModel,
  toFloat32,
  visionInputs,
} from "../../packages/stablereinforce/dist/index.js";
import {
  openSafetensors,
  readQwenAdapter,
  readQwenFolder,
  saveSafetensors,
  writeQwenAdapter,
  writeQwenFolder,
} from "../../packages/stablereinforce/dist/node/index.js";

const { home, delta, newTokens, dtype } = JSON.parse(process.argv[2]);
const { config, params } = await readQwenFolder(join(home, "theirs"));
const file = await openSafetensors(join(home, "inputs.safetensors"));
const read = async (name) => {
  const { data, shape } = await file.read(name);
  return { data, shape, dtype: data instanceof Int32Array ? "int32" : "float32" };
};
const inputs = { tokens: await read("tokens"), positions: await read("positions") };
if (file.names.includes("patches")) {
  const [patches, grids] = [await file.read("patches"), (await file.read("grids")).data];
  const list = Array.from({ length: grids.length / 3 }, (_, i) => [...grids.subarray(3 * i, 3 * i + 3)]);
  Object.assign(inputs, visionInputs(list, toFloat32(patches), config), { imageRows: await read("imageRows") });
}

const engine = await createEngine({ runtime: "onnx-node", threads: 1 });
const values = async (tensor) => (await engine.read(tensor)).data;
const scores = async (given, options = {}) => {
  const model = qwenModel(config, options);
  return engine.compile((p, i) => model.logits(p, i))(given, inputs);
};
const logits = await scores(params);

// Greedy decoding: the prompt into the cache, then a token at a time.
const model = qwenModel(config);
const length = inputs.tokens.shape[1];
const { layers, kvHeads, headSize, vocabSize } = config.text;
const capacity = length + newTokens;
const prefill = engine.compile((p, i) => {
  const { keys, values: kept } = model.prefill(p, i);
  return { keys, values: kept };
});
const decode = engine.compile((p, step, cache) => model.decode(p, step, cache));
const made = await prefill(params, inputs);
const grown = async (tensors) => {
  const all = [];
  for (const tensor of tensors) {
    const from = await values(tensor);
    const data = new Float32Array(kvHeads * capacity * headSize);
    for (let head = 0; head < kvHeads; head++) {
      data.set(from.subarray(head * length * headSize, (head + 1) * length * headSize), head * capacity * headSize);
    }
    all.push({ data, shape: [1, kvHeads, capacity, headSize], dtype: "float32" });
  }
  return all;
};
const cache = { keys: await grown(made.keys), values: await grown(made.values) };
const int = (x) => ({ data: Int32Array.of(x), shape: [1], dtype: "int32" });
const best = (row) => {
  let [first, second] = [0, 1];
  if (row[1] > row[0]) [first, second] = [1, 0];
  for (let i = 2; i < row.length; i++) {
    if (row[i] > row[first]) [first, second] = [i, first];
    else if (row[i] > row[second]) second = i;
  }
  return { token: first, gap: row[first] - row[second] };
};
const write = (targets, rows, place) => {
  targets.forEach(({ data }, layer) => {
    for (let head = 0; head < kvHeads; head++) {
      const from = (layer * kvHeads + head) * headSize;
      data.set(rows.subarray(from, from + headSize), (head * capacity + place) * headSize);
    }
  });
};
const chosen = [best((await values(logits)).subarray((length - 1) * vocabSize))];
for (let i = 0; i < newTokens - 1; i++) {
  const place = length + i;
  const step = { tokens: int(chosen[i].token), filled: int(place), positions: int(place + delta) };
  const out = await decode(params, step, cache);
  write(cache.keys, await values(out.newKeys), place);
  write(cache.values, await values(out.newValues), place);
  chosen.push(best(await values(out.logits)));
}
if (cache.keys.length !== layers) throw new Error("cache");

const adapter = await readQwenAdapter(join(home, "adapter"), config);
const adapted = await scores({ ...params, ...adapter.params }, { lora: adapter.lora });
await writeQwenAdapter(join(home, "our-adapter"), adapter);
await writeQwenFolder(join(home, "ours"), { config, params, dtype, maxShardBytes: 150_000 });
await saveSafetensors(join(home, "ours.safetensors"), [
  ["logits", fromFloat32("F32", logits.shape, await values(logits))],
  ["adapted", fromFloat32("F32", adapted.shape, await values(adapted))],
  ["tokens", { dtype: "I32", shape: [newTokens], data: Int32Array.from(chosen, (one) => one.token) }],
  [
    "gaps",
    fromFloat32(
      "F32",
      [newTokens],
      Float32Array.from(chosen, (one) => one.gap),
    ),
  ],
]);
await file[Symbol.asyncDispose]();
await engine[Symbol.asyncDispose]();
