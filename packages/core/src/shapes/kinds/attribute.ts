/** Questions for one look of a shape that another look, or its place, singles out. */
import { drawLooks, matches } from "../compose.ts";
import type { Level } from "../level.ts";
import { nounOf, noteWhere, pairWhere, theOne, type QuestionKind } from "../question.ts";
import { pick, type RandomStream } from "../random.ts";
import {
  atCell,
  CELL_NAMES,
  COLOUR_NAMES,
  SHAPE_NAMES,
  SIZE_NAMES,
  type Looks,
  type SceneShape,
} from "../vocabulary.ts";

type Near = readonly (readonly [string, string])[];

interface Subject {
  readonly noun: string;
  readonly looks: Partial<Looks>;
  readonly cell?: number | undefined;
}

const isIn = (pairs: Near, a: string, b: string): boolean =>
  pairs.some(([one, two]) => (one === a && two === b) || (one === b && two === a));

const CELLS = CELL_NAMES.map((_, cell) => cell);

const subjectOf = (random: RandomStream, { grade }: Level, known: Partial<Looks>): Subject => {
  const cell = pick(random, CELLS);
  const sized = { ...known, size: pick(random, SIZE_NAMES) };
  const byPlace = { noun: `shape ${atCell(cell)}`, looks: {}, cell };
  const byLooks = (looks: Partial<Looks>): Subject => ({ noun: nounOf(looks), looks });
  if (grade === 1) return byLooks(known);
  return pick(random, [byPlace, byLooks(grade === 2 ? known : sized)]);
};

const isSubject = ({ looks, cell }: Subject, shape: SceneShape): boolean =>
  cell === undefined ? matches(shape, looks) : shape.cell === cell;

/** The kind of question that asks for `attribute`; `known` draws the look that tells the shape apart. */
const attributeKind = <A extends "shape" | "colour">(options: {
  readonly attribute: A;
  readonly values: readonly Looks[A][];
  readonly near: Near;
  readonly known: (random: RandomStream) => Partial<Looks>;
  readonly questions: (noun: string) => readonly string[];
  readonly sentence: (noun: string, value: string) => string;
}): QuestionKind => ({
  name: options.attribute,
  plan(random, level) {
    const { attribute } = options;
    const subject = subjectOf(random, level, options.known(random));
    const { noun, looks, cell } = subject;
    const values = pairWhere(random, options.values, (a, b) => isIn(options.near, a, b) === level.near);
    const having = (value: Looks[A]): Partial<Looks> => ({ [attribute]: value });
    return {
      question: pick(random, options.questions(noun)),
      asks: `the ${attribute === "shape" ? "form" : attribute} of the ${noun}`,
      values,
      say: (value) => ({ short: values[value], sentence: options.sentence(noun, values[value]) }),
      compose(truth, scenery) {
        const clash = (other: Looks): boolean => cell === undefined && matches(other, looks);
        const it = { ...drawLooks(scenery, level, { ...looks, ...having(values[truth]) }), cell };
        const decoy = drawLooks(scenery, level, having(values[truth === 0 ? 1 : 0]), clash);
        return { shapes: level.shown ? [it, decoy] : [it], clash };
      },
      note: noteWhere(
        (shape) => isSubject(subject, shape),
        (shape) => shape[attribute],
      ),
      finding(scene) {
        const it = theOne(scene, (shape) => isSubject(subject, shape));
        const where = cell === undefined ? `${atCell(it.cell)} and ` : "";
        return attribute === "colour"
          ? `The ${noun} is ${where}${it.colour}.`
          : `The ${noun} is ${where}a ${it.shape}.`;
      },
    };
  },
});

/** What colour? */
export const colourKind: QuestionKind = attributeKind({
  attribute: "colour",
  values: COLOUR_NAMES,
  near: [
    ["red", "orange"],
    ["yellow", "orange"],
    ["blue", "purple"],
    ["red", "purple"],
    ["green", "blue"],
    ["green", "yellow"],
  ],
  known: (random) => ({ shape: pick(random, SHAPE_NAMES) }),
  questions: (noun) => [
    `What colour is the ${noun}?`,
    `Which colour does the ${noun} have?`,
    `Name the colour of the ${noun}.`,
  ],
  sentence: (noun, value) => `The ${noun} is ${value}.`,
});

/** What shape? */
export const shapeKind: QuestionKind = attributeKind({
  attribute: "shape",
  values: SHAPE_NAMES,
  near: [
    ["circle", "square"],
    ["star", "cross"],
    ["star", "triangle"],
    ["square", "cross"],
  ],
  known: (random) => ({ colour: pick(random, COLOUR_NAMES) }),
  questions: (noun) => [`What is the ${noun}?`, `Which form does the ${noun} have?`, `Name the form of the ${noun}.`],
  sentence: (noun, value) => `The ${noun} is a ${value}.`,
});
