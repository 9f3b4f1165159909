import { drawLooks, matches } from "../compose.ts";
import type { Level } from "../level.ts";
import { nounOf, noteWhere, type QuestionKind } from "../question.ts";
import { pick, shuffled, type RandomStream } from "../random.ts";
import { atCell, COLOUR_NAMES, SHAPE_NAMES, type Looks } from "../vocabulary.ts";

const target = (random: RandomStream, { grade }: Level): Partial<Looks> => {
  const form = { shape: pick(random, SHAPE_NAMES) };
  const colour = { colour: pick(random, COLOUR_NAMES) };
  return grade === 1 ? pick<Partial<Looks>>(random, [form, colour]) : { ...form, ...colour };
};

/** Shapes that have one of two looks, whichever answer is true. */
const nearMisses = (random: RandomStream, level: Level, wanted: Partial<Looks>): readonly Looks[] => {
  const clash = (looks: Looks): boolean => matches(looks, wanted);
  const { shape, colour } = wanted;
  if (!level.shown || shape === undefined || colour === undefined) return [];
  const both = [drawLooks(random, level, { shape }, clash), drawLooks(random, level, { colour }, clash)];
  return level.near ? both : both.slice(0, 1);
};

/** Is there one? */
export const existenceKind: QuestionKind = {
  name: "existence",
  plan(random, level) {
    const wanted = target(random, level);
    const noun = nounOf(wanted);
    const article = /^[aeiou]/.test(noun) ? "an" : "a";
    const values = shuffled(random, ["yes", "no"]) as ["yes", "no"] | ["no", "yes"];
    return {
      question: pick(random, [
        `Is there ${article} ${noun}?`,
        `Do you see ${article} ${noun}?`,
        `Does the picture show ${article} ${noun}?`,
      ]),
      asks: `whether there is ${article} ${noun}`,
      values,
      say: (value) => ({
        short: values[value],
        sentence: values[value] === "yes" ? `Yes, there is ${article} ${noun}.` : `No, there is no ${noun}.`,
      }),
      compose(truth, scenery) {
        const misses = nearMisses(scenery, level, wanted);
        const there = values[truth] === "yes" ? [drawLooks(scenery, level, wanted)] : [];
        return { shapes: [...there, ...misses], clash: (looks) => matches(looks, wanted) };
      },
      note: noteWhere(
        (shape) => matches(shape, wanted),
        () => "yes",
      ),
      finding({ shapes }) {
        const it = shapes.find((shape) => matches(shape, wanted));
        return it === undefined ? `There is no ${noun}.` : `There is ${article} ${noun} ${atCell(it.cell)}.`;
      },
    };
  },
};
