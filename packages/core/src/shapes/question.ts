/** What a kind of question is, and how its subjects are named. */
import type { SceneDraft } from "./compose.ts";
import type { Level } from "./level.ts";
import type { RandomStream } from "./random.ts";
import { atCell, cellName, type Looks, type Scene, type SceneEntry, type SceneShape } from "./vocabulary.ts";

/** Index into a pair of values. */
export type Which = 0 | 1;

/** One value in words. */
export interface Said {
  readonly short: string;
  /** A whole sentence with its full stop. */
  readonly sentence: string;
}

/**
 * A question with two values, either of which can be made true. Nothing here may depend on which one will be: then no
 * reader of the texts alone can know it.
 */
export interface QuestionPlan {
  readonly question: string;
  /** What is asked for, to follow "The question asks for". */
  readonly asks: string;
  /** The values, in the order of the answers. */
  readonly values: readonly [string, string];
  /** A value in words; may draw. */
  readonly say: (value: Which, random: RandomStream) => Said;
  /** What a scene must hold for this value to be true and the other one false. */
  readonly compose: (truth: Which, random: RandomStream) => SceneDraft;
  /**
   * What one thing of a scene has to say to the question, in a word or two; `null` when nothing. `before` counts the things
   * in reading order that had something to say.
   */
  readonly note: (entry: SceneEntry, before: number) => string | null;
  /** What the scene shows about the question, as a sentence. */
  readonly finding: (scene: Scene, truth: Which) => string;
}

/** A kind of question. */
export interface QuestionKind {
  readonly name: string;
  readonly plan: (random: RandomStream, level: Level) => QuestionPlan;
}

const PLURALS: Readonly<Record<string, string>> = { cross: "crosses" };

/** `star`, `red shape`, `small red star`: the looks that are given, and a noun. */
export const nounOf = ({ size, colour, shape }: Partial<Looks>): string =>
  [size, colour, shape ?? "shape"].filter((word) => word !== undefined).join(" ");

/** The noun for several. */
export const pluralOf = (looks: Partial<Looks>): string => {
  const { shape } = looks;
  const noun = nounOf(looks);
  return shape !== undefined && shape in PLURALS ? noun.slice(0, -shape.length) + PLURALS[shape]! : `${noun}s`;
};

/** Makes the first letter a capital one. */
export const capital = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);

/** The looks and place of the one shape of a scene that a test accepts. */
export const theOne = (scene: Scene, test: (shape: Scene["shapes"][number]) => boolean): Scene["shapes"][number] => {
  const [only, ...others] = scene.shapes.filter(test);
  if (only !== undefined && others.length === 0) return only;
  throw new Error(`shapes: expected one such shape, got ${only === undefined ? 0 : 1 + others.length}`);
};

/** `at the top left`, by shape. */
export const placeOf = ({ cell }: { readonly cell: number }): string => atCell(cell);

/** The note of shapes that a test accepts; of anything else `null`. */
export const noteWhere =
  (test: (shape: SceneShape) => boolean, note: (shape: SceneShape, before: number) => string): QuestionPlan["note"] =>
  (entry, before) =>
    "shape" in entry && test(entry) ? note(entry, before) : null;

/** A note: the name of the place. */
export const notePlace = ({ cell }: SceneShape): string => cellName(cell);

/** A pair of different items that `test` accepts, in random order. */
export const pairWhere = <T>(
  random: RandomStream,
  items: readonly T[],
  test: (a: T, b: T) => boolean,
): readonly [T, T] => {
  const pairs = items.flatMap((a) => items.flatMap((b) => (a !== b && test(a, b) ? [[a, b] as const] : [])));
  return pairs[random.below(pairs.length)]!;
};
