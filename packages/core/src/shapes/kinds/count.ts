import { drawLooks, matches } from "../compose.ts";
import { MOST_SHAPES, type Level } from "../level.ts";
import { capital, nounOf, noteWhere, pairWhere, pluralOf, type QuestionKind } from "../question.ts";
import { chance, pick, type RandomStream } from "../random.ts";
import { COLOUR_NAMES, SHAPE_NAMES, type Looks } from "../vocabulary.ts";

const WORDS = ["zero", "one", "two", "three", "four", "five"];

const COUNTS = Array.from({ length: MOST_SHAPES }, (_, at) => at + 1);

const target = (random: RandomStream, { grade }: Level): Partial<Looks> => {
  const form = { shape: pick(random, SHAPE_NAMES) };
  const colour = { colour: pick(random, COLOUR_NAMES) };
  if (grade === 1) return pick<Partial<Looks>>(random, [{}, form]);
  if (grade === 2) return pick<Partial<Looks>>(random, [{}, form, colour]);
  return pick<Partial<Looks>>(random, [form, colour, { ...form, ...colour }]);
};

const is = (count: number): string => (count === 1 ? "is" : "are");

/** How many? */
export const countKind: QuestionKind = {
  name: "count",
  plan(random, level) {
    const wanted = target(random, level);
    const all = wanted.shape === undefined && wanted.colour === undefined;
    const counts = pairWhere(random, COUNTS, (a, b) => (Math.abs(a - b) === 1) === level.near);
    const plural = pluralOf(wanted);
    const noun = (count: number): string => (count === 1 ? nounOf(wanted) : plural);
    return {
      question: pick(random, [
        `How many ${plural} are there?`,
        `Count the ${plural}.`,
        `How many ${plural} do you see?`,
      ]),
      asks: `the number of ${plural}`,
      values: [String(counts[0]), String(counts[1])],
      say(value, words) {
        const count = counts[value];
        const number = chance(words, 50) ? String(count) : WORDS[count]!;
        const sentences = [`There ${is(count)} ${number} ${noun(count)}.`, `I count ${number} ${noun(count)}.`];
        return { short: number, sentence: pick(words, sentences) };
      },
      compose: (truth, scenery) => ({
        shapes: Array.from({ length: counts[truth] }, () => drawLooks(scenery, level, wanted)),
        clash: (looks) => matches(looks, wanted),
        closed: all,
      }),
      note: noteWhere(
        (shape) => matches(shape, wanted),
        (_, before) => String(before + 1),
      ),
      finding: (_, truth) => `${capital(plural)}: ${counts[truth]}.`,
    };
  },
};
