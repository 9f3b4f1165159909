import type { Level } from "../level.ts";
import { pairWhere, type QuestionKind } from "../question.ts";
import { chance, pick, type RandomStream } from "../random.ts";
import { DIGITS, LETTERS, type Scene } from "../vocabulary.ts";

const NEAR = ["38", "56", "68", "89", "35", "27", "49", "58", "39", "EF", "HK", "KX", "AH", "CE", "LE", "TF", "CL"];

const isNear = (a: string, b: string): boolean => NEAR.includes(a + b) || NEAR.includes(b + a);

interface Texts {
  readonly what: string;
  readonly texts: readonly [string, string];
}

/** Two characters of one kind, or two labels that differ in one character. */
const drawTexts = (random: RandomStream, { near, grade }: Level): Texts => {
  const digit = chance(random, 50);
  const [a, b] = pairWhere<string>(random, digit ? DIGITS : LETTERS, (one, two) => isNear(one, two) === near);
  if (grade < 4) return { what: digit ? "digit" : "letter", texts: [a, b] };
  const fixed = pick<string>(random, digit ? LETTERS : DIGITS);
  return { what: "label", texts: digit ? [fixed + a, fixed + b] : [a + fixed, b + fixed] };
};

const labelOf = (scene: Scene): string => {
  if (scene.label === undefined) throw new Error("shapes: expected a scene with a label");
  return scene.label.text;
};

/** What is written? */
export const textKind: QuestionKind = {
  name: "text",
  plan(random, level) {
    const { what, texts } = drawTexts(random, level);
    return {
      question: pick(random, [`Which ${what} is written?`, `What ${what} do you read?`, `Read the ${what}.`]),
      asks: `the ${what} that is written`,
      values: texts,
      say: (value, words) => ({
        short: texts[value],
        sentence: pick(words, [`The ${what} is ${texts[value]}.`, `It says ${texts[value]}.`]),
      }),
      compose: (truth) => ({ shapes: [], clash: () => false, label: texts[truth] }),
      note: (entry) => ("text" in entry ? entry.text : null),
      finding: (scene) => `The ${what} is ${labelOf(scene)}.`,
    };
  },
};
