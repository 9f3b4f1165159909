// Before it reads or writes a sentence, the model learns to name what a patch shows: each merged patch's output, times the (tied)
// head, is to give the words of the objects that it covers. Text that attends to a picture then finds word embeddings there. Without
// this, a model of this size spends tens of thousands of pictures on finding out where a sentence's next word can be seen at all.
import * as tf from "@tensorflow/tfjs-core";
import { renderScene, SHAPES_IMAGE_SIZE, shapesRecord, shapesStyle } from "@r1reward/core/shapes";
import {
  adamw,
  clipByGlobalNorm,
  cosineSchedule,
  qwenModel,
  qwenProcessor,
  registerGradients,
  valueAndNamedGrads,
  visionInputs,
} from "@r1reward/stablereinforce";

const SIDE = 28; // pixels of a merged patch
const GRID = SHAPES_IMAGE_SIZE / SIDE;
const SEEN = 40; // pixels of an object from which on a merged patch shows it
const DIFFERENT = 60; // summed over the channels: more than noise

/** `[16]` pixels of each merged patch that differ. */
const covered = (a, b) => {
  const counts = new Array(GRID * GRID).fill(0);
  for (let pixel = 0; pixel < SHAPES_IMAGE_SIZE ** 2; pixel += 1) {
    let difference = 0;
    for (let c = 0; c < 3; c += 1) difference += Math.abs(a[3 * pixel + c] - b[3 * pixel + c]);
    if (difference < DIFFERENT) continue;
    const [y, x] = [Math.floor(pixel / SHAPES_IMAGE_SIZE), pixel % SHAPES_IMAGE_SIZE];
    counts[Math.floor(y / SIDE) * GRID + Math.floor(x / SIDE)] += 1;
  }
  return counts;
};

const wordsOf = (thing) => (thing.text === undefined ? [thing.size, thing.colour, thing.shape] : ["text", thing.text]);

/** A picture's pixels, and for each merged patch the share of each word. Patches that show nothing have no words. */
const labelled = (seed, index, idOf) => {
  const { scene } = shapesRecord({ seed, index });
  const style = shapesStyle("plain");
  const pixels = renderScene(scene, style);
  const things = [...scene.shapes, ...(scene.label === undefined ? [] : [scene.label])];
  const shares = Array.from({ length: GRID * GRID }, () => new Map());
  for (const thing of things) {
    const without = {
      ...scene,
      shapes: scene.shapes.filter((shape) => shape !== thing),
      label: scene.label === thing ? undefined : scene.label,
    };
    covered(pixels, renderScene(without, style)).forEach((count, place) => {
      if (count < SEEN) return;
      const words = wordsOf(thing).map(idOf);
      for (const id of words) shares[place].set(id, (shares[place].get(id) ?? 0) + count / words.length);
    });
  }
  return { pixels, shares };
};

const batchOf = ({ seed, batch }, step, { processor, config, idOf }) => {
  const grids = [];
  const patches = [];
  const targets = new Float32Array(batch * GRID * GRID * config.text.vocabSize);
  for (let row = 0; row < batch; row += 1) {
    const { pixels, shares } = labelled(seed, step * batch + row, idOf);
    const size = SHAPES_IMAGE_SIZE;
    const input = processor.image({ width: size, height: size, channels: 3, data: pixels });
    grids.push(input.grid);
    patches.push(input.patches);
    shares.forEach((share, place) => {
      const total = [...share.values()].reduce((sum, x) => sum + x, 0);
      for (const [id, x] of share) targets[(row * GRID * GRID + place) * config.text.vocabSize + id] = x / total;
    });
  }
  const shape = [batch * GRID * GRID, config.text.vocabSize];
  return { vision: visionInputs(grids, patches, config), targets: { data: targets, shape, dtype: "float32" } };
};

/** −Σ target · log softmax(rows · embeddingᵀ), over the patches that show something. */
const lossOf =
  (model) =>
  (params, { vision, targets }) => {
    const rows = model.vision(params, vision);
    const scores = tf.logSoftmax(tf.matMul(rows, params["model.embed_tokens.weight"], false, true));
    return tf.neg(tf.div(tf.sum(tf.mul(targets, scores)), tf.sum(targets)));
  };

/** Trains vision tower and embedding. → all weights, on the host */
export const learnWords = async ({ engine, model, weights, recipe, adam, steps, tell }) => {
  const { config, tokenizer } = model;
  const optimiser = adamw(adam);
  const loss = lossOf(qwenModel(config));
  const names = Object.keys(weights).filter((name) => name.startsWith("visual.") || name.includes("embed_tokens"));
  const idOf = (word) => {
    const ids = tokenizer.encodeText(` ${word}`);
    return ids[ids.length - 1]; // digits and letters: the character itself, after its space
  };
  const update = engine.compile(
    (params, state, batch, learningRate) => {
      registerGradients();
      const { value, grads } = valueAndNamedGrads((leaves) => loss(leaves, batch), params);
      const { grads: clipped } = clipByGlobalNorm(grads, 1);
      return { loss: value, ...optimiser.update({ params, grads: clipped, state, learningRate }) };
    },
    { name: "words", donate: [0, 1] },
  );
  const place = (make) =>
    Object.fromEntries(names.map((name) => [name, engine.tensor(make(weights[name].data), weights[name].shape)]));
  const zeros = (data) => new Float32Array(data.length);
  let params = place((data) => data.slice());
  let state = { m: place(zeros), v: place(zeros), step: engine.tensor(Float32Array.of(0), []) };
  const rates = cosineSchedule({
    peak: recipe.learningRate,
    total: steps,
    warmup: Math.floor(steps / 10),
    end: recipe.learningRate / 20,
  });
  const { mean, std } = recipe.pixels;
  const parts = { processor: qwenProcessor({ minPixels: 784, mean, std }), config, idOf };
  for (let step = 0; step < steps; step += 1) {
    const out = await update(
      params,
      state,
      batchOf(recipe, step, parts),
      engine.tensor(Float32Array.of(rates(step)), []),
    );
    [params, state] = [out.params, out.state];
    if ((step + 1) % 25 === 0 || step + 1 === steps) tell(step + 1, await engine.number(out.loss));
    engine.dispose(out.loss);
  }
  const learnt = await Promise.all(names.map(async (name) => [name, await engine.read(params[name])]));
  engine.dispose([params, state]);
  await update.dispose();
  return { ...weights, ...Object.fromEntries(learnt) };
};
