import { drawLooks, matches } from "../compose.ts";
import type { Level } from "../level.ts";
import { nounOf, notePlace, noteWhere, pairWhere, theOne, type QuestionKind } from "../question.ts";
import { chance, pick, type RandomStream } from "../random.ts";
import { atCell, CELL_NAMES, cellName, COLOUR_NAMES, SHAPE_NAMES, SIZE_NAMES, type Looks } from "../vocabulary.ts";

const CELLS = CELL_NAMES.map((_, cell) => cell);

const steps = (a: number, b: number): number =>
  Math.max(Math.abs((a % 3) - (b % 3)), Math.abs(Math.floor(a / 3) - Math.floor(b / 3)));

/** Looks that single out one shape: one word where it is easy, two where others share one of them. */
export const drawSubject = (random: RandomStream, { grade }: Level): Partial<Looks> => {
  const form = { shape: pick(random, SHAPE_NAMES) };
  const colour = { colour: pick(random, COLOUR_NAMES) };
  const size = { size: pick(random, SIZE_NAMES) };
  if (grade <= 2) return pick<Partial<Looks>>(random, [form, colour]);
  return pick<Partial<Looks>>(random, [
    { ...form, ...colour },
    { ...form, ...size },
  ]);
};

/** Where is it? */
export const positionKind: QuestionKind = {
  name: "position",
  plan(random, level) {
    const subject = drawSubject(random, level);
    const noun = nounOf(subject);
    const cells = pairWhere(random, CELLS, (a, b) => (steps(a, b) === 1) === level.near);
    return {
      question: pick(random, [`Where is the ${noun}?`, `In which place is the ${noun}?`, `Find the ${noun}.`]),
      asks: `the place of the ${noun}`,
      values: [cellName(cells[0]), cellName(cells[1])],
      say: (value) => ({ short: cellName(cells[value]), sentence: `The ${noun} is ${atCell(cells[value])}.` }),
      compose(truth, scenery) {
        const other: 0 | 1 = truth === 0 ? 1 : 0;
        const clash = (looks: Looks): boolean => matches(looks, subject);
        const it = { ...drawLooks(scenery, level, subject), cell: cells[truth] };
        const alike = subject.shape !== undefined && subject.colour !== undefined && chance(scenery, level.alike);
        const rival = alike ? { colour: it.colour } : {};
        const decoy = { ...drawLooks(scenery, level, rival, clash), cell: cells[other] };
        return { shapes: level.shown ? [it, decoy] : [it], clash, empty: level.shown ? [] : [cells[other]] };
      },
      note: noteWhere((shape) => matches(shape, subject), notePlace),
      finding: (scene) => `The ${noun} is ${atCell(theOne(scene, (shape) => matches(shape, subject)).cell)}.`,
    };
  },
};
