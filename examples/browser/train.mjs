// Trains a small causal transformer in a browser tab: the same code runs in Node.
import {
  adamw,
  clipByGlobalNorm,
  createEngine,
  createSampler,
  initParams,
  mapParams,
  transformer,
  valueAndParamGrads,
} from "@r1reward/stablereinforce";

const DIGITS = 6;
const SEPARATOR = 10;
const LENGTH = 2 * DIGITS + 1;
const BATCH = 64;
const STEPS = 400;
const config = {
  vocabSize: 11,
  hiddenSize: 48,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  intermediateSize: 96,
  tiedEmbeddings: false,
};

/** Numbers in [0, 1), the same in every browser. */
const randomFrom = (seed) => () => {
  seed = (seed + 0x6d2b79f5) >>> 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
};
const random = randomFrom(1);
const draw = () => Array.from({ length: DIGITS }, () => Math.floor(random() * 10));
const sorted = (digits) => [...digits].sort((a, b) => a - b);

const batch = () => {
  const rows = Array.from({ length: BATCH }, draw);
  return {
    data: Int32Array.from(rows.flatMap((row) => [...row, SEPARATOR, ...sorted(row)])),
    shape: [BATCH, LENGTH],
    dtype: "int32",
  };
};
// Only the sorted half is to be learnt: position t counts when token t is predicted from those before it.
const mask = {
  data: Float32Array.from({ length: BATCH * LENGTH }, (_, i) => (i % LENGTH > DIGITS ? 1 : 0)),
  shape: [BATCH, LENGTH],
  dtype: "float32",
};

const model = transformer(config);
const optimiser = adamw({ weightDecay: 0 });
const trainStep = (state, tokens, weight, learningRate) => {
  const { value, grads } = valueAndParamGrads((params) => model.loss(params, tokens, weight), state.params);
  const { grads: clipped } = clipByGlobalNorm(grads, 1);
  return {
    loss: value,
    state: optimiser.update({ params: state.params, grads: clipped, state: state.moments, learningRate }),
  };
};

const $ = (id) => document.getElementById(id);
const drawCurve = (losses) => {
  const canvas = $("curve");
  const context = canvas.getContext("2d");
  const top = Math.max(...losses);
  const x = (i) => 80 + (i / STEPS) * (canvas.width - 100);
  const y = (loss) => 15 + (1 - loss / top) * (canvas.height - 50);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.font = "16px system-ui";
  context.fillStyle = "#555";
  context.fillText(`loss ${top.toFixed(1)}`, 4, 24);
  context.fillText("0", 62, y(0) + 5);
  context.fillText(`${STEPS} steps`, canvas.width - 90, canvas.height - 8);
  context.strokeStyle = "#ccc";
  context.strokeRect(80, 15, canvas.width - 100, canvas.height - 50);
  context.strokeStyle = "#06c";
  context.lineWidth = 3;
  context.beginPath();
  losses.forEach((loss, i) => (i === 0 ? context.moveTo(x(i), y(loss)) : context.lineTo(x(i), y(loss))));
  context.stroke();
};

const showSamples = (rows) => {
  const cells = rows.map(
    ({ digits, said, right }) =>
      `<tr><td>${digits.join(" ")}</td><td class="${right ? "right" : "wrong"}">${said.join(" ")}</td><td>${right ? "sorted" : "not sorted"}</td></tr>`,
  );
  $("samples").innerHTML = `<tr><th>given</th><th>written</th><th></th></tr>${cells.join("")}`;
};

const main = async () => {
  const engine = await createEngine({ runtime: "onnx-web" });
  $("status").textContent = `${engine.runtime}: ${engine.why}`;
  const step = engine.compile(
    (state, tokens, weight, rate) => {
      const { loss, state: next } = trainStep(state, tokens, weight, rate);
      return { loss, state: { params: next.params, moments: next.state } };
    },
    { name: "train", donate: [0] },
  );

  const params = initParams(config, 1);
  const zeros = () =>
    mapParams(params, ({ shape }) => ({
      data: new Float32Array(shape.reduce((a, b) => a * b, 1)),
      shape,
      dtype: "float32",
    }));
  let state = {
    params,
    moments: { m: zeros(), v: zeros(), step: { data: Float32Array.of(0), shape: [], dtype: "float32" } },
  };
  const losses = [];
  const started = performance.now();
  let first = 0;
  for (let i = 0; i < STEPS; i++) {
    const out = await step(state, batch(), mask, { data: Float32Array.of(3e-3), shape: [], dtype: "float32" });
    state = out.state;
    losses.push(await engine.number(out.loss));
    engine.dispose(out.loss);
    if (i === 0) first = performance.now() - started;
    if (i % 10 === 9) {
      const perStep = (performance.now() - started - first) / i;
      $("status").textContent =
        `step ${i + 1} of ${STEPS}, loss ${losses.at(-1).toFixed(3)}, ${perStep.toFixed(1)} ms a step, first one ${first.toFixed(0)} ms`;
      drawCurve(losses);
      await new Promise((resolve) => setTimeout(resolve)); // let the page paint
    }
  }

  const sampler = createSampler(engine, config, { maxBatch: 16 });
  const given = Array.from({ length: 10 }, draw);
  const prompts = given.map((digits) => ({ tokens: [...digits, SEPARATOR], seeds: [1] }));
  const replies = await sampler.sample(state.params, prompts, { maxTokens: DIGITS, temperature: 0 });
  const rows = given.map((digits, i) => {
    const said = [...replies[i][0].tokens];
    return { digits, said, right: said.join() === sorted(digits).join() };
  });
  showSamples(rows);
  return {
    runtime: engine.runtime,
    threads: globalThis.crossOriginIsolated,
    losses: [losses[0], losses.at(-1)],
    sorted: rows.filter(({ right }) => right).length,
    of: rows.length,
  };
};

main()
  .catch((error) => {
    $("status").textContent = String(error);
    return { error: String(error?.stack ?? error) };
  })
  .then((result) => fetch("/result", { method: "POST", body: JSON.stringify(result) }));
