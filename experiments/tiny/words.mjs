// Before it reads or writes about pictures, the vision tower learns to name what stands in each place: a place's row, times the
// (tied, by then trained) head, is to give the words of the object there. Text that attends to a picture then finds embeddings of words.
import * as tf from "@tensorflow/tfjs-core";
import { renderScene, SHAPES_IMAGE_SIZE, shapesRecord } from "@r1reward/core/shapes";
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

const PLACES = 9; // the processor makes the picture 84 pixels wide: one merged patch of 28 for each place

const wordsOf = (thing) =>
  thing.text === undefined ? [thing.size, thing.colour, thing.shape] : ["text", ...thing.text];

/** Adds the words of a scene's objects to the targets `[B · 9, V]`: equal shares that sum to 1 in each place that holds something. */
const target = ({ shapes, label }, row, { targets, idOf, vocabSize }) => {
  for (const thing of [...shapes, ...(label === undefined ? [] : [label])]) {
    const words = wordsOf(thing);
    for (const word of words) targets[(row * PLACES + thing.cell) * vocabSize + idOf(word)] += 1 / words.length;
  }
};

const batchOf = ({ seed, batch, style }, step, { processor, config, idOf }) => {
  const { vocabSize } = config.text;
  const targets = new Float32Array(batch * PLACES * vocabSize);
  const pictures = Array.from({ length: batch }, (_, row) => {
    const index = step * batch + row;
    const { scene } = shapesRecord({ seed, index });
    target(scene, row, { targets, idOf, vocabSize });
    const [width, height] = [SHAPES_IMAGE_SIZE, SHAPES_IMAGE_SIZE];
    return processor.image({ width, height, channels: 3, data: renderScene(scene, style(index)) });
  });
  const vision = visionInputs(
    pictures.map(({ grid }) => grid),
    pictures.map(({ patches }) => patches),
    config,
  );
  return { vision, targets: { data: targets, shape: [batch * PLACES, vocabSize], dtype: "float32" } };
};

/** −Σ target · log softmax(rows · embeddingᵀ), over the places that hold something. */
const lossOf = (model, params, embedding, { vision, targets }) => {
  const rows = model.vision(params, vision);
  const scores = tf.logSoftmax(tf.matMul(rows, embedding, false, true));
  return tf.neg(tf.div(tf.sum(tf.mul(targets, scores)), tf.sum(targets)));
};

const compileUpdate = (engine, model, optimiser) =>
  engine.compile(
    (params, state, embedding, batch, learningRate) => {
      registerGradients();
      const loss = (leaves) => lossOf(model, leaves, embedding, batch);
      const { value, grads } = valueAndNamedGrads(loss, params);
      const { grads: clipped } = clipByGlobalNorm(grads, 1);
      return { loss: value, ...optimiser.update({ params, grads: clipped, state, learningRate }) };
    },
    { name: "words", donate: [0, 1] },
  );

/** Trains the vision tower alone. → all weights, on the host */
export const learnWords = async ({ engine, model, weights, recipe, adam, steps, tell }) => {
  const { config, tokenizer } = model;
  const update = compileUpdate(engine, qwenModel(config), adamw(adam));
  const idOf = (word) => tokenizer.encodeText(` ${word}`).at(-1); // digits and letters: the character itself, after its space
  const names = Object.keys(weights).filter((name) => name.startsWith("visual."));
  const place = (make) =>
    Object.fromEntries(names.map((name) => [name, engine.tensor(make(weights[name].data), weights[name].shape)]));
  const zeros = (data) => new Float32Array(data.length);
  const head = weights["model.embed_tokens.weight"];
  const embedding = engine.tensor(head.data, head.shape);
  let params = place((data) => data.slice());
  let state = { m: place(zeros), v: place(zeros), step: engine.tensor(Float32Array.of(0), []) };
  const peak = recipe.learningRate;
  const rates = cosineSchedule({ peak, total: steps, warmup: Math.floor(steps / 10), end: peak / 20 });
  const parts = {
    processor: qwenProcessor({ minPixels: 784, maxPixels: recipe.maxPixels, ...recipe.pixels }),
    config,
    idOf,
  };
  for (let step = 0; step < steps; step += 1) {
    const rate = engine.tensor(Float32Array.of(rates(step)), []);
    const out = await update(params, state, embedding, batchOf(recipe, step, parts), rate);
    [params, state] = [out.params, out.state];
    if ((step + 1) % 25 === 0 || step + 1 === steps) tell(step + 1, await engine.number(out.loss));
    engine.dispose([out.loss, rate]);
  }
  const learnt = await Promise.all(names.map(async (name) => [name, await engine.read(params[name])]));
  engine.dispose([params, state, embedding]);
  await update.dispose();
  return { ...weights, ...Object.fromEntries(learnt) };
};
