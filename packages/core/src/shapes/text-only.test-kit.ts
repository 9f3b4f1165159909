/**
 * A learner that never sees a picture: logistic regression on hashed words, word pairs, lengths and values. What it scores
 * on pairs it has not seen is how far the texts alone give the answer away.
 */
import { shapesRecord, swapShapes, type ShapesOptions, type ShapesRecord } from "./record.ts";

const BUCKETS = 1 << 18;

const bucketOf = (feature: string): number => {
  let hash = 0x811c9dc5;
  for (let at = 0; at < feature.length; at += 1) hash = Math.imul(hash ^ feature.charCodeAt(at), 0x01000193);
  return (hash >>> 0) % BUCKETS;
};

const grams = (text: string): readonly string[] => {
  const words = text.toLowerCase().match(/[a-z0-9]+|[.,:;?]/g) ?? [];
  return [...words, ...words.slice(1).map((word, at) => `${words[at]!}_${word}`)];
};

const answerFeatures = (record: ShapesRecord, side: 0 | 1): readonly string[] => {
  const text = record.answers[side];
  const value = record.values[side];
  const length = Math.min(12, Math.floor(Math.log2(1 + text.length) * 2));
  return [
    ...grams(text),
    `length ${length}`,
    `${record.kind} ${value}`,
    `${record.kind} ${value} ${record.values[1 - side]!}`,
    `${record.question} ${value}`,
    `${record.grade} ${record.kind}`,
  ];
};

/** Buckets of a record: each answer's features with its place, those of both together, and who is longer. */
const featuresOf = (record: ShapesRecord): readonly number[] => {
  const sides = ([0, 1] as const).flatMap((side) => answerFeatures(record, side).map((text) => `${side} ${text}`));
  const [a, b] = record.answers;
  const longer = a.length > b.length ? "first longer" : a.length < b.length ? "second longer" : "as long";
  const both = [`q ${record.question}`, `p ${record.kind}`, longer, `${record.kind} ${longer}`, "bias"];
  return [...sides, ...both].map(bucketOf);
};

interface Example {
  readonly features: readonly number[];
  readonly kind: string;
  readonly truth: 0 | 1;
}

/** Something a learner could cheat with, put into the texts on purpose: the control that it would be found. */
export type Leak = (record: ShapesRecord) => ShapesRecord;

interface Wanted {
  readonly options: ShapesOptions;
  readonly n: number;
  readonly leak?: Leak | undefined;
}

/** Examples without their twins: every second index, so that no text is there twice with opposite truths. */
const examplesOf = ({ options, n, leak = (record) => record }: Wanted): readonly Example[] =>
  Array.from({ length: n }, (_, at) => {
    const record = leak(shapesRecord({ ...options, index: 2 * at }));
    return { features: featuresOf(record), kind: record.kind, truth: record.truth };
  });

const scoreOf = (weights: Float64Array, features: readonly number[]): number =>
  features.reduce((sum, at) => sum + weights[at]!, 0);

const EPOCHS = 4;
const RATE = 0.1;

/** AdaGrad on the logistic loss. */
const train = (examples: readonly Example[]): Float64Array => {
  const weights = new Float64Array(BUCKETS);
  const squares = new Float64Array(BUCKETS).fill(1e-6);
  for (let epoch = 0; epoch < EPOCHS; epoch += 1) {
    for (const { features, truth } of examples) {
      const error = 1 / (1 + Math.exp(-scoreOf(weights, features))) - truth;
      for (const at of features) {
        squares[at]! += error * error;
        weights[at]! -= (RATE * error) / Math.sqrt(squares[at]!);
      }
    }
  }
  return weights;
};

/** How often a learner was right. */
export interface Hits {
  readonly n: number;
  readonly right: number;
}

/** Hits of the learner on held-out pairs. */
export interface TextOnlyResult {
  readonly overall: Hits;
  readonly byKind: Readonly<Record<string, Hits>>;
}

/** Trains on `train` scenes and measures on `test` scenes; the two have no text stream and no scene in common. */
export const textOnlyAccuracy = (options: {
  readonly seed: number;
  readonly train: number;
  readonly test: number;
  readonly grade?: ShapesOptions["grade"];
  readonly leak?: Leak | undefined;
}): TextOnlyResult => {
  const { seed, grade, leak } = options;
  const weights = train(examplesOf({ options: { seed, grade, split: "train" }, n: options.train, leak }));
  const byKind: Record<string, { n: number; right: number }> = {};
  for (const { features, kind, truth } of examplesOf({
    options: { seed, grade, split: "test" },
    n: options.test,
    leak,
  })) {
    const hits = (byKind[kind] ??= { n: 0, right: 0 });
    hits.n += 1;
    if (scoreOf(weights, features) > 0 === (truth === 1)) hits.right += 1;
  }
  const all = Object.values(byKind);
  const overall = all.reduce((sum, { n, right }) => ({ n: sum.n + n, right: sum.right + right }), { n: 0, right: 0 });
  return { overall, byKind };
};

/** Puts the longer answer on the right side in one of ten pairs where it is not: a faint shortcut. */
export const lengthLeak: Leak = (record) => {
  const [a, b] = record.answers;
  const longer = a.length > b.length ? 0 : 1;
  if (longer === record.truth || record.index % 10 !== 0) return record;
  const swapped = swapShapes(record);
  return { ...record, answers: swapped.answers };
};
