/** Questions about two shapes: which is larger, and how they stand to each other. */
import { drawLooks, matches } from "../compose.ts";
import type { Level } from "../level.ts";
import { capital, nounOf, notePlace, noteWhere, pairWhere, placeOf, theOne, type QuestionKind } from "../question.ts";
import { pick, shuffled, type RandomStream } from "../random.ts";
import { CELL_NAMES, COLOUR_NAMES, SHAPE_NAMES, type Looks, type Scene, type SizeName } from "../vocabulary.ts";

type Two = readonly [Partial<Looks>, Partial<Looks>];

/** Two nouns of which no shape can have both: different forms, or different colours, or both where it is hard. */
const drawTwo = (random: RandomStream, { grade }: Level): Two => {
  const [formA, formB] = pairWhere(random, SHAPE_NAMES, () => true);
  const [colourA, colourB] = pairWhere(random, COLOUR_NAMES, () => true);
  const byForm: Two = [{ shape: formA }, { shape: formB }];
  const byColour: Two = [{ colour: colourA }, { colour: colourB }];
  const byBoth: Two = [
    { shape: formA, colour: colourA },
    { shape: formB, colour: colourB },
  ];
  const sameForm: Two = [
    { shape: formA, colour: colourA },
    { shape: formA, colour: colourB },
  ];
  if (grade <= 2) return pick(random, [byForm, byColour]);
  return pick(random, [byBoth, sameForm]);
};

const clashing =
  ([a, b]: Two) =>
  (looks: Looks): boolean =>
    matches(looks, a) || matches(looks, b);

const placed = (scene: Scene, wanted: Partial<Looks>) => theOne(scene, (shape) => matches(shape, wanted));

/** What a critique calls them, whatever word the question has: what it is asked for can then be looked up among its notes. */
const COMPARED: Readonly<Record<SizeName, string>> = { large: "larger", small: "smaller" };

/** Which is larger, or smaller? */
export const sizeKind: QuestionKind = {
  name: "size",
  plan(random, level) {
    const two = drawTwo(random, level);
    const nouns = two.map((looks) => `the ${nounOf(looks)}`) as [string, string];
    const [asked, unasked]: readonly [SizeName, SizeName] = pick(random, [
      ["large", "small"],
      ["small", "large"],
    ]);
    const word = asked === "large" ? pick(random, ["larger", "bigger"]) : "smaller";
    const [first, second] = shuffled(random, nouns) as [string, string];
    return {
      question: pick(random, [`Which is ${word}, ${first} or ${second}?`, `Is ${first} or ${second} ${word}?`]),
      asks: `the ${COMPARED[asked]} of ${first} and ${second}`,
      values: nouns,
      say: (value) => ({ short: nouns[value], sentence: `${capital(nouns[value])} is ${word}.` }),
      compose(truth, scenery) {
        const sized = two.map((looks, at) => ({ ...looks, size: at === truth ? asked : unasked }));
        return { shapes: sized.map((looks) => drawLooks(scenery, level, looks)), clash: clashing(two) };
      },
      note: noteWhere(clashing(two), (shape) => `${COMPARED[shape.size]} is ${nouns[matches(shape, two[0]) ? 0 : 1]}`),
      finding: (_, truth) => `The ${COMPARED[asked]} is ${nouns[truth]}.`,
    };
  },
};

const column = (cell: number): number => cell % 3;
const row = (cell: number): number => Math.floor(cell / 3);
const CELLS = CELL_NAMES.map((_, cell) => cell);

/** Cells of A and B with A before B along an axis; neighbours along it where it is near. */
const cellsInOrder = (random: RandomStream, along: (cell: number) => number, near: boolean) =>
  pairWhere(random, CELLS, (a, b) => along(b) - along(a) === (near ? 1 : 2));

/** Left or right, above or below? */
export const relationKind: QuestionKind = {
  name: "relation",
  plan(random, level) {
    const two = drawTwo(random, level);
    const [a, b] = two.map((looks) => `the ${nounOf(looks)}`) as [string, string];
    const sideways = pick(random, [true, false]);
    const words = sideways ? (["left of", "right of"] as const) : (["above", "below"] as const);
    const along = sideways ? column : row;
    const values = shuffled(random, words) as ["left of", "right of"] | ["above", "below"];
    const shown = shuffled(random, words);
    return {
      question: pick(random, [
        `Is ${a} ${shown[0]} or ${shown[1]} ${b}?`,
        `Where is ${a}, ${shown[0]} or ${shown[1]} ${b}?`,
      ]),
      asks: `how ${a} stands to ${b}`,
      values,
      say: (value) => ({ short: values[value], sentence: `${capital(a)} is ${values[value]} ${b}.` }),
      compose(truth, scenery) {
        const [low, high] = cellsInOrder(scenery, along, level.near);
        const cells = values[truth] === words[0] ? [low, high] : [high, low];
        const shapes = two.map((looks, at) => ({ ...drawLooks(scenery, level, looks), cell: cells[at] }));
        return { shapes, clash: clashing(two) };
      },
      note: noteWhere(clashing(two), (shape) => `${matches(shape, two[0]) ? a : b} ${notePlace(shape)}`),
      finding: (scene, truth) => {
        const [one, other] = two.map((looks) => placeOf(placed(scene, looks)));
        return `${capital(a)} is ${one}, ${b} is ${other}: ${values[truth]}.`;
      },
    };
  },
};
