/**
 * Critiques for the cold start (paper, section on long chains of thought), written from the scene itself: what is seen in
 * reading order, what the question asks, what is true, what each answer says, which is better. Phrasing 0 goes step by step.
 */
import { ConfigError } from "../errors.ts";
import { entryText, sceneEntries, type Scene } from "./vocabulary.ts";
import type { ShapesRecord } from "./record.ts";

/** How a critique is put. */
export interface ShapesReasoningOptions {
  /** Which of the phrasings, from 0; told by the pair's index unless given. */
  readonly phrasing?: number | undefined;
}

/** `top left large red circle; middle small blue square; bottom right text 7`: all that is there, in reading order. */
export const describeScene = (scene: Scene): string => sceneEntries(scene).map(entryText).join("; ");

/** The same, and after each thing what it has to say to the question: `top left large red circle, no; middle small blue square, middle`. */
const goThrough = ({ scene, notes }: ShapesRecord): string =>
  sceneEntries(scene)
    .map((entry, at) => `${entryText(entry)}, ${notes[at] ?? "no"}`)
    .join("; ");

type Phrasing = (record: ShapesRecord) => string;

const better = ({ truth }: ShapesRecord): number => truth + 1;

/** `red first`: what is found in the end can be looked up here, and the answer stands next to it. */
const claim = ({ values }: ShapesRecord, answer: 0 | 1): string => `${values[answer]} ${["first", "second"][answer]}`;

/** Every step follows from what stands before it by copying or by looking up: what the smallest models can learn. */
const stepByStep: Phrasing = (record) =>
  `Asked is ${record.asks}. Claims: ${claim(record, 0)}, ${claim(record, 1)}. I see: ${goThrough(record)}. ` +
  `${record.finding} So ${claim(record, record.truth)}. Answer ${better(record)} is better.`;

const PHRASINGS: readonly Phrasing[] = [
  stepByStep,
  (record) =>
    `I see: ${describeScene(record.scene)}. ${record.finding} ` +
    `Answer 1 says ${record.values[0]}. Answer 2 says ${record.values[1]}. Answer ${better(record)} is better.`,
  (record) =>
    `The picture shows: ${describeScene(record.scene)}. Asked for is ${record.asks}. ${record.finding} ` +
    `The first answer claims ${record.values[0]}, the second answer claims ${record.values[1]}. ` +
    `Answer ${better(record)} is better.`,
  (record) =>
    `There is: ${describeScene(record.scene)}. I look for ${record.asks}. ${record.finding} ` +
    `Answer 1: ${record.values[0]}, ${record.truth === 0 ? "right" : "wrong"}. ` +
    `Answer 2: ${record.values[1]}, ${record.truth === 1 ? "right" : "wrong"}. ` +
    `Therefore answer ${better(record)} is better.`,
  (record) =>
    `The question is about ${record.asks}. In the picture: ${describeScene(record.scene)}. ${record.finding} ` +
    `One answer says ${record.values[0]}, the other says ${record.values[1]}. ` +
    `The better answer is answer ${better(record)}.`,
];

/** Number of phrasings. */
export const SHAPES_PHRASINGS = PHRASINGS.length;

/**
 * A critique of the pair in the grammar `<think>…</think><answer>1|2</answer>`: always right, and `statedWinner` reads the
 * same winner out of the thought. For a critique of the answers the other way round, swap the record first.
 *
 * @throws ConfigError for a phrasing that does not exist
 */
export const shapesReasoning = (record: ShapesRecord, options: ShapesReasoningOptions = {}): string => {
  const { phrasing = Math.floor(record.index / 2) % PHRASINGS.length } = options;
  const phrase = PHRASINGS[phrasing];
  if (phrase === undefined) throw new ConfigError(`phrasing: expected 0 to ${PHRASINGS.length - 1}, got ${phrasing}`);
  return `<think>${phrase(record)}</think><answer>${better(record)}</answer>`;
};
