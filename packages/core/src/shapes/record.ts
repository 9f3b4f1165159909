/**
 * One pair of the shapes world. The texts are drawn first, from a stream that knows nothing of the truth; then the truth,
 * and only then a scene that fits it. Pairs `2k` and `2k + 1` are twins: the same texts, opposite truths, different scenes.
 * A reader of the texts alone is therefore right on exactly one of two twins, whatever it has learned.
 */
import { ConfigError } from "../errors.ts";
import { sha256 } from "../hash.ts";
import { composeScene } from "./compose.ts";
import { shapesKinds } from "./kinds/index.ts";
import { LEVELS } from "./level.ts";
import type { QuestionKind, QuestionPlan, Which } from "./question.ts";
import { pick, streamOf, type RandomStream } from "./random.ts";
import { GRADES, sceneContent, sceneEntries, type Grade, type Scene, type ShapesSplit } from "./vocabulary.ts";
import { wordAnswer } from "./wording.ts";

/** Which pairs are wanted. */
export interface ShapesOptions {
  /** A whole number; different seeds give unrelated pairs. */
  readonly seed: number;
  /** `mixed` (default) draws a grade for each two twins. */
  readonly grade?: Grade | "mixed" | undefined;
  /** `train` (default), `val` or `test`: no scene is in two of them. */
  readonly split?: ShapesSplit | undefined;
  /** Kinds of questions, taken in turn; all of them unless told. */
  readonly kinds?: readonly QuestionKind[] | undefined;
}

/** A pair without its picture: data only. */
export interface ShapesRecord {
  readonly id: string;
  readonly seed: number;
  readonly index: number;
  /** Index of the pair with the same texts and the opposite truth. */
  readonly twin: number;
  readonly split: ShapesSplit;
  readonly grade: Grade;
  readonly kind: string;
  readonly question: string;
  /** What is asked for, to follow "The question asks for". */
  readonly asks: string;
  readonly answers: readonly [string, string];
  /** What each answer claims, in one or two words. */
  readonly values: readonly [string, string];
  /** Index of the right answer. */
  readonly truth: Which;
  /** What each thing of the scene, in reading order, has to say to the question; `null` when nothing. */
  readonly notes: readonly (string | null)[];
  /** What the scene shows about the question, as a sentence. */
  readonly finding: string;
  readonly scene: Scene;
}

interface Texts {
  readonly plan: QuestionPlan;
  readonly kind: QuestionKind;
  readonly grade: Grade;
  readonly answers: readonly [string, string];
  /** Truth of the twin with the even index. */
  readonly coin: number;
}

const SPLITS: readonly ShapesSplit[] = ["train", "val", "test"];

/** The split of a scene: four fifths are for training, a tenth each for the others; noise and small shifts do not count. */
export const splitOfScene = (scene: Scene): ShapesSplit => {
  const tenth = Number.parseInt(sha256(sceneContent(scene)).slice(0, 8), 16) % 10;
  return tenth === 9 ? "test" : tenth === 8 ? "val" : "train";
};

const check = ({ seed, grade = "mixed", split = "train", kinds = shapesKinds }: ShapesOptions, index: number) => {
  const natural = (name: string, value: number): void => {
    if (!Number.isSafeInteger(value) || value < 0)
      throw new ConfigError(`${name}: expected a whole number ≥ 0, got ${value}`);
  };
  natural("seed", seed);
  natural("index", index);
  if (grade !== "mixed" && !GRADES.includes(grade))
    throw new ConfigError(`grade: expected 1 to 4 or "mixed", got ${String(grade)}`);
  if (!SPLITS.includes(split)) throw new ConfigError(`split: expected ${SPLITS.join(", ")}, got ${String(split)}`);
  if (kinds.length === 0) throw new ConfigError("kinds: expected at least one, got none");
  return { seed, grade, split, kinds };
};

type Checked = ReturnType<typeof check>;

const drawTexts = ({ seed, grade, split, kinds }: Checked, twins: number): Texts => {
  const kind = kinds[twins % kinds.length]!;
  const random = streamOf("shapes texts", seed, split, String(grade), kind.name, twins);
  const drawn = grade === "mixed" ? pick(random, GRADES) : grade;
  const plan = kind.plan(random, LEVELS[drawn]);
  const answers = [wordAnswer(plan.say(0, random), random), wordAnswer(plan.say(1, random), random)] as const;
  return { plan, kind, grade: drawn, answers, coin: random.below(2) };
};

const TRIES_PER_SHAPE = 40;
const TRIES = 100_000;

/** Scenes are drawn until one lies in the split; the texts and the truth stand already, so this cannot favour either. */
const drawScene = (texts: Texts, truth: Which, split: ShapesSplit, random: RandomStream): Scene => {
  const level = LEVELS[texts.grade];
  for (let tries = 0; tries < TRIES; tries += 1) {
    const draft = texts.plan.compose(truth, random);
    const scene = composeScene(random, level, draft, Math.floor(tries / TRIES_PER_SHAPE));
    if (splitOfScene(scene) === split) return scene;
  }
  throw new Error(`shapes: no scene of the split ${split} fits the question ${JSON.stringify(texts.plan.question)}`);
};

const notesOf = ({ note }: QuestionPlan, scene: Scene): readonly (string | null)[] => {
  const notes: (string | null)[] = [];
  for (const entry of sceneEntries(scene)) notes.push(note(entry, notes.filter((one) => one !== null).length));
  return notes;
};

/**
 * Pair number `index` without its picture: the same on every platform, fast enough to make in a training loop.
 *
 * @throws ConfigError for an option or index that cannot be
 */
export const shapesRecord = (options: ShapesOptions & { readonly index: number }): ShapesRecord => {
  const { index } = options;
  const checked = check(options, index);
  const { seed, split, grade } = checked;
  const texts = drawTexts(checked, Math.floor(index / 2));
  const truth: Which = (texts.coin + index) % 2 === 0 ? 0 : 1;
  const { plan } = texts;
  const scene = drawScene(
    texts,
    truth,
    split,
    streamOf("shapes scene", seed, split, String(grade), texts.kind.name, index),
  );
  return {
    id: `shapes-${seed}-${split}-${grade}-${index}`,
    seed,
    index,
    twin: index % 2 === 0 ? index + 1 : index - 1,
    split,
    grade: texts.grade,
    kind: texts.kind.name,
    question: plan.question,
    asks: plan.asks,
    answers: texts.answers,
    values: plan.values,
    truth,
    notes: notesOf(plan, scene),
    finding: plan.finding(scene, truth),
    scene,
  };
};

/** The same pair with its answers the other way round. */
export const swapShapes = <R extends ShapesRecord>(record: R): R => ({
  ...record,
  answers: [record.answers[1], record.answers[0]],
  values: [record.values[1], record.values[0]],
  truth: record.truth === 0 ? 1 : 0,
});
