/** Is the right answer right and the wrong one wrong? Told from question and scene by rules that share nothing with the makers. */
import { describe, expect, it } from "vitest";
import { shapesRecord, type Scene, type SceneShape } from "./index.ts";

const PLACES = [
  "top left",
  "top middle",
  "top right",
  "middle left",
  "middle",
  "middle right",
  "bottom left",
  "bottom middle",
  "bottom right",
];
const WORDS = "circle square triangle star cross red green blue yellow purple orange small large".split(" ");

/** Shapes that a noun means: all of its known words hold. */
const meant = (scene: Scene, noun: string): readonly SceneShape[] => {
  const place = /at the (.*)$|in the (middle)$/.exec(noun);
  if (place !== null) return scene.shapes.filter(({ cell }) => PLACES[cell] === (place[1] ?? place[2]));
  const words = noun
    .replace("crosses", "cross")
    .split(" ")
    .map((word) => (WORDS.includes(word) ? word : word.replace(/s$/, "")));
  return scene.shapes.filter((shape) =>
    words.every((word) => !WORDS.includes(word) || [shape.shape, shape.colour, shape.size].includes(word as never)),
  );
};

const only = (scene: Scene, noun: string): SceneShape => {
  const found = meant(scene, noun);
  expect(found, `${noun} in ${JSON.stringify(scene)}`).toHaveLength(1);
  return found[0]!;
};

const noun = (question: string, pattern: RegExp): string => {
  const match = pattern.exec(question);
  if (match === null) throw new Error(`unread question: ${question}`);
  return match[1]!;
};

type Rule = (question: string, value: string, scene: Scene) => boolean;

const RULES: Readonly<Record<string, Rule>> = {
  count: (question, value, scene) =>
    meant(scene, noun(question, /^(?:How many|Count the) (.*?)(?: are there\?| do you see\?|\.)$/)).length ===
    Number(value),
  position: (question, value, scene) => PLACES[only(scene, noun(question, /the ([a-z ]*)[?.]$/)).cell] === value,
  colour: (question, value, scene) =>
    only(
      scene,
      noun(question, /^(?:What colour is the|Which colour does the|Name the colour of the) (.*?)(?: have)?[?.]$/),
    ).colour === value,
  shape: (question, value, scene) =>
    only(scene, noun(question, /^(?:What is the|Which form does the|Name the form of the) (.*?)(?: have)?[?.]$/))
      .shape === value,
  size: (question, value, scene) => {
    const larger = /larger|bigger/.test(question);
    const [a, b] = (/(the [a-z ]+) or (the [a-z ]+?)(?: larger| bigger| smaller)?\?/.exec(question) ?? []).slice(1);
    const rest = value === a ? b! : a!;
    expect([a, b]).toContain(value);
    const [mine, other] = [only(scene, value).size, only(scene, rest).size];
    return mine === (larger ? "large" : "small") && other === (larger ? "small" : "large");
  },
  relation: (question, value, scene) => {
    const [one, two] = (
      /(?:Is|Where is) the ([a-z]+(?: [a-z]+)?),? (?:left of|right of|above|below) or (?:left of|right of|above|below) the (.*)\?$/.exec(
        question,
      ) ?? []
    ).slice(1);
    const [a, b] = [only(scene, one!).cell, only(scene, two!).cell];
    if (value === "left of") return a % 3 < b % 3;
    if (value === "right of") return a % 3 > b % 3;
    return value === "above" ? Math.floor(a / 3) < Math.floor(b / 3) : Math.floor(a / 3) > Math.floor(b / 3);
  },
  text: (_question, value, scene) => scene.label?.text === value,
  existence: (question, value, scene) =>
    meant(scene, noun(question, /(?:Is there|Do you see|show) an? (.*)\?$/)).length > 0 === (value === "yes"),
};

const NUMBERS = ["zero", "one", "two", "three", "four", "five"];

describe("truth", () => {
  it.each([1, 2, 3, 4] as const)("holds in every scene of grade %i, and the other answer's value does not", (grade) => {
    for (const split of ["train", "test"] as const) {
      for (let index = 0; index < 400; index += 1) {
        const record = shapesRecord({ seed: 21, index, grade, split });
        const { kind, question, values, truth, scene, answers } = record;
        const holds = values.map((value) => RULES[kind]!(question, value, scene));
        expect(holds, `${question} ${values.join(" | ")} ${JSON.stringify(scene)}`).toEqual([truth === 0, truth === 1]);
        values.forEach((value, at) => {
          const words = [value, ...(kind === "count" ? [NUMBERS[Number(value)]!] : [])];
          expect(
            words.some((word) => answers[at]!.toLowerCase().includes(word.toLowerCase())),
            answers[at],
          ).toBe(true);
        });
      }
    }
  });
});
