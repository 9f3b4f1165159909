/**
 * How an answer is put: short or long, sure or hedged, with remarks that have nothing to do with the question. The way is
 * drawn without knowing which answer is right.
 */
import { capital, type Said } from "./question.ts";
import { chance, pick, type RandomStream } from "./random.ts";

const lower = (text: string): string => (text.startsWith("I ") ? text : text.slice(0, 1).toLowerCase() + text.slice(1));

const HEDGES = ["I think", "It seems that", "Probably", "As far as I can tell,", "If I see it right,", "Most likely,"];

const SURE = ["Clearly,", "I am sure:", "There is no doubt:", "Without question,", "Anyone can see that"];

/** True of every picture, odd but harmless, or beside the point. */
const REMARKS = [
  "The background is plain.",
  "The picture is small.",
  "It is a simple drawing.",
  "Nothing in it moves.",
  "The picture is a little grainy.",
  "There is no frame around it.",
  "I looked at every part of the picture.",
  "The rest of the picture does not matter here.",
  "Drawings like this are used in schools.",
  "It could be a page from a children's book.",
  "Someone must have drawn it in a hurry.",
  "It reminds me of a traffic sign.",
];

type Way = (said: Said, random: RandomStream) => string;

const WAYS: readonly Way[] = [
  ({ short }) => short,
  ({ short }) => `${capital(short)}.`,
  ({ sentence }) => sentence,
  ({ sentence }, random) => `${pick(random, HEDGES)} ${lower(sentence)}`,
  ({ short }, random) => `${pick(random, ["Maybe", "Perhaps", "I would say"])} ${short}.`,
  ({ sentence }, random) => `${pick(random, SURE)} ${lower(sentence)}`,
  ({ sentence }, random) => `${sentence} ${pick(random, REMARKS)}`,
  ({ sentence }, random) => `${pick(random, REMARKS)} ${sentence}`,
  ({ short }, random) => `${capital(short)}. ${pick(random, REMARKS)}`,
];

/** One answer in words. */
export const wordAnswer: Way = (said, random) => {
  const text = pick(random, WAYS)(said, random);
  if (!chance(random, 10)) return text;
  return `${text}${text.endsWith(".") ? "" : "."} ${pick(random, REMARKS)}`;
};
