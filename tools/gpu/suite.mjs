/**
 * What a provider must get right, measured against `onnx-node` on the CPU: the kernel contract, a short training of a small
 * transformer, and greedy sampling with the KV cache. Used by tools/vulkan/check.mjs and by the bundle for GPU machines.
 */
import * as tf from "@tensorflow/tfjs-core";
import {
  adamw,
  createEngine,
  createSampler,
  initParams,
  mapParams,
  transformer,
  valueAndParamGrads,
} from "@r1reward/stablereinforce";
import { kernelContract } from "@r1reward/stablereinforce/testing";

const CONFIG = {
  vocabSize: 48,
  hiddenSize: 64,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  intermediateSize: 48,
  tiedEmbeddings: false,
  qkvBias: true,
};
const PROMPTS = [[3, 1, 4, 1, 5, 9, 2, 6], [7], [2, 7, 18, 28, 1, 8, 2, 8, 4, 5, 9, 0, 4, 5, 2, 3, 5, 3], [1, 2]];

/**
 * Runs the kernel contract. `known` names checks that are expected to fail, with the reason.
 * @returns how many passed, every failure, and what is not as expected (a new failure, or a known one that passes now)
 */
export const runContract = async (engine, { precision = "float32", known = {} } = {}) => {
  const [failures, surprises] = [[], []];
  const checks = kernelContract(engine, { precision });
  for (const { name, check } of checks) {
    const error = await check().then(
      () => null,
      (thrown) => thrown,
    );
    if (error !== null) failures.push({ name, message: String(error.message).split("\n")[0] });
    if (error !== null && !(name in known)) surprises.push(`${name}: ${failures.at(-1).message}`);
    if (error === null && name in known) surprises.push(`${name}: listed as different (${known[name]}) and passes now`);
  }
  return { total: checks.length, passed: checks.length - failures.length, failures, surprises };
};

/** Losses of `steps` AdamW steps on one batch `[4, 16]`; weights and moments stay on the engine. */
export const trainSmall = async (engine, steps = 8) => {
  const model = transformer(CONFIG);
  const optimiser = adamw({ weightDecay: 0.01 });
  const params = mapParams(initParams(CONFIG, 3), (x) => engine.tensor(x.data, x.shape, x.dtype));
  const zeros = () => mapParams(initParams(CONFIG, 3), (x) => engine.tensor(new Float32Array(x.data.length), x.shape));
  const step = engine.compile(
    (state, tokens, mask) => {
      const { value, grads } = valueAndParamGrads((p) => model.loss(p, tokens, mask), state.params);
      const { params, state: opt } = optimiser.update({
        params: state.params,
        grads,
        state: state.opt,
        learningRate: tf.scalar(1e-2),
      });
      return { state: { params, opt }, loss: value };
    },
    { name: "train_small", donate: [0] },
  );
  let state = { params, opt: { m: zeros(), v: zeros(), step: engine.tensor(0) } };
  const tokens = engine.tensor(
    Int32Array.from({ length: 64 }, (_, i) => (i * i * 5 + 3 * i) % 48),
    [4, 16],
  );
  const mask = engine.tensor(new Float32Array(64).fill(1), [4, 16]);
  const losses = [];
  for (let i = 0; i < steps; i++) {
    const out = await step(state, tokens, mask);
    losses.push(await engine.number(out.loss));
    engine.dispose(out.loss);
    state = out.state;
  }
  engine.dispose([state, tokens, mask]);
  await step.dispose();
  return losses;
};

/** Greedy tokens of four prompts of different lengths, 24 new ones each, and their log-probabilities. */
export const sampleGreedy = async (engine) => {
  const params = initParams(CONFIG, 11);
  for (const { data } of [params.embedding, params.head, ...params.layers.map((layer) => layer.qkv)]) {
    for (let i = 0; i < data.length; i++) data[i] *= 20; // far from uniform, so that rounding decides no token
  }
  const sampler = createSampler(engine, CONFIG, { maxBatch: 4 });
  const made = await sampler.sample(
    params,
    PROMPTS.map((tokens) => ({ tokens: Int32Array.from(tokens), seeds: [1] })),
    { maxTokens: 24, temperature: 0 },
  );
  await sampler[Symbol.asyncDispose]();
  return made.map(([one]) => ({ tokens: [...one.tokens], logp: [...one.logp] }));
};

const worst = (got, want) =>
  got.reduce(
    (most, x, i) => {
      const difference = Math.abs(x - want[i]);
      return Number.isNaN(difference) ? Infinity : Math.max(most, difference);
    },
    got.length === want.length ? 0 : Infinity,
  );

/** The CPU's losses and tokens, which others are compared with. */
export const reference = async () => {
  const engine = await createEngine({ runtime: "onnx-node", provider: "cpu" });
  const found = { losses: await trainSmall(engine), sampled: await sampleGreedy(engine) };
  await engine[Symbol.asyncDispose]();
  return found;
};

/** Everything above on one engine, compared with `reference()`. */
export const runSuite = async (engine, { want, precision = "float32", known = {} }) => {
  const contract = await runContract(engine, { precision, known });
  const losses = await trainSmall(engine);
  const sampled = await sampleGreedy(engine);
  // Up to the first different token the contexts are the same; after it nothing can be compared.
  const agreed = sampled.map(({ tokens }, i) => {
    const at = tokens.findIndex((token, t) => token !== want.sampled[i].tokens[t]);
    return at < 0 ? tokens.length : at;
  });
  const upTo = (all) => all.flatMap(({ logp }, i) => logp.slice(0, agreed[i]));
  return {
    contract,
    losses,
    lossDifference: worst(losses, want.losses),
    tokens: sampled.reduce((sum, one) => sum + one.tokens.length, 0),
    tokensAgreed: agreed.reduce((sum, n) => sum + n, 0),
    logpDifference: worst(upTo(sampled), upTo(want.sampled)),
  };
};
