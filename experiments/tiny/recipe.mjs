// The small judge that ships: what it is made of. Everything that decides the result stands here.
import { describeScene, shapesPair, shapesReasoning, shapesRecord, SHAPES_TEMPLATE } from "@r1reward/core/shapes";

export const seed = 42;

/** Qwen2.5-VL, small: 2.8 million parameters. */
export const model = {
  size: {
    hiddenSize: 192,
    layers: 4,
    heads: 6,
    kvHeads: 3,
    intermediateSize: 512,
    visionHiddenSize: 128,
    visionDepth: 3,
    visionHeads: 4,
    visionIntermediateSize: 256,
    context: 512,
    ropeTheta: 10_000, // 16 places objects no better and cannot copy from the prompt; see docs/experiments/tiny.md
  },
  vocabSize: 1024,
  initSeed: 0,
  // The drawings' background is close to 0 then, and patches hold what stands before it.
  pixels: { mean: [0.92, 0.92, 0.92], std: [0.3, 0.3, 0.3] },
};

/** Stage 0, words for what patches show; see words.mjs. */
export const words = { seed: 9, steps: 500, batch: 64, learningRate: 2e-3, pixels: model.pixels };

/** Stage 1, to see: what stands where. Scenes of all grades. */
export const perception = { seed: 11, scenes: 200_000, steps: 900, batch: 64, learningRate: 2e-3 };

/** Stage 2, the cold start: templated critiques, as the paper's are a teacher's. */
export const coldStart = { seed: 12, pairs: 200_000, steps: 800, batch: 32, learningRate: 1e-3 };

/** Stage 3, more of the same on other pairs: to find in what one has listed what is asked for takes longer than the form. */
export const practice = {
  seed: 15,
  pairs: 200_000,
  steps: 1800,
  batch: 32,
  learningRate: 1.2e-3,
  evaluateEvery: 200,
  held: 64,
};

/** Stage 4, StableReinforce with format, result and consistency rewards. */
export const reinforce = {
  seed: 13,
  pairs: 4000,
  steps: 40,
  run: {
    learningRate: 1e-4,
    rolloutBatch: 64,
    samplesPerPrompt: 4,
    trainBatch: 128,
    passes: 1,
    warmup: 0.1,
    finalLearningRate: 0.1,
    maxTokens: 128,
    temperature: 1,
  },
};

export const adam = { beta1: 0.9, beta2: 0.98, weightDecay: 0.01 };

/** What is measured: scenes that no stage has seen. */
export const measure = { seed: 14, pairs: 400, votePairs: 100, votes: [5, 15], maxTokens: 128 };

/** What the vocabulary is learnt from. */
export function* texts() {
  for (let index = 0; index < 6000; index += 1) {
    const record = shapesRecord({ seed: 10, index });
    const [first, second] = record.answers;
    yield SHAPES_TEMPLATE.replace("{question}", record.question)
      .replace("{answer1}", first)
      .replace("{answer2}", second);
    yield shapesReasoning(record);
  }
  yield "system\nYou are a helpful assistant.\nuser\nassistant\nWhat is there?\n";
}

/** A picture and what stands where in it. */
export const sceneExample = (index) => {
  const made = shapesPair({ seed: perception.seed, index });
  const [picture] = made.pair.question;
  const prompt = [{ role: "user", content: [picture, { type: "text", text: "What is there?" }] }];
  return { id: made.id, prompt, reply: describeScene(made.scene) };
};

/** A pair and a critique of it. */
export const critiqueExample = (protocol, seed) => (index) => {
  const made = shapesPair({ seed, index });
  return { id: made.id, prompt: protocol.prompt(made.pair), reply: shapesReasoning(made, { phrasing: 0 }) };
};

/** Pairs to measure on, as drawn for training or otherwise. */
export const heldOut = (style, n, split = "test") =>
  Array.from({ length: n }, (_, index) => shapesPair({ seed: measure.seed, index, split, style }).pair);
