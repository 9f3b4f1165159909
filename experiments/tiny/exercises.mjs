// What the text tower does before it sees anything: a list of what is there stands in the prompt where the picture will be. First it
// copies, then it argues. A fresh transformer that begins with critiques finds copying in none of its first 30,000; with a hundred words
// to copy in each text it does within twelve thousand, and what it learns next is made of that.
import { describeScene, SHAPES_TEMPLATE, shapesReasoning, shapesRecord } from "@r1reward/core/shapes";
import { mixed, shuffled } from "./random.mjs";

const asked = ({ question, answers: [first, second] }) =>
  SHAPES_TEMPLATE.replace("{question}", question).replace("{answer1}", first).replace("{answer2}", second);

/** The list again in another order, and the rest of the prompt: every word of it stands somewhere before. */
const repeat = (record, below) =>
  `<think>I see: ${shuffled(describeScene(record.scene).split("; "), below).join("; ")}. ${asked(record)}</think>`;

/** Which claim is it? Ten times, for the one word that decides: a critique has it once. */
const recall = ({ values: [first, second] }, below) => {
  const said = [`${first} first`, `${second} second`];
  const found = Array.from({ length: 10 }, () => ` So ${said[below(2)]}.`);
  return `<think>Claims: ${said.join(", ")}.${found.join("")}</think>`;
};

/** Exercise number `index`; of 100, so many are critiques, so many recalls, the rest copies. */
export const exercise = ({ seed, critiques, recalls }, index) => {
  const record = shapesRecord({ seed, index });
  const below = mixed(seed, index);
  const drawn = below(100);
  const text = `${describeScene(record.scene)}\n${asked(record)}`;
  const prompt = [{ role: "user", content: [{ type: "text", text }] }];
  const other = () => (drawn < critiques + recalls ? recall : repeat)(record, below);
  return {
    id: `${record.id}-text`,
    prompt,
    reply: drawn < critiques ? shapesReasoning(record, { phrasing: 0 }) : other(),
  };
};
