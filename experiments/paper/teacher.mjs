// Critiques of a teacher as the paper's is: it was asked again until its answer was right, so all answers are; not all of its thoughts lead
// to them. In `contradicting` of 100 the thought finds what is true, draws the other conclusion, and the answer contradicts it.
import { shapesPair, shapesProtocol, shapesReasoning } from "@r1reward/core/shapes";
import { mixed } from "../tiny/random.mjs";
import { trainingStyle } from "../tiny/styles.mjs";

const other = ({ truth }) => (truth === 0 ? 1 : 0);

const critique = (made, contradicts) => {
  if (!contradicts) return shapesReasoning(made, { phrasing: 0 });
  const [thought] = shapesReasoning({ ...made, truth: other(made) }, { phrasing: 0 }).split("<answer>");
  return `${thought}<answer>${made.truth + 1}</answer>`;
};

/** → `index => example` for `runSft` */
export const teacherExample = ({ seed, contradicting }) => {
  const styleAt = trainingStyle(seed);
  return (index) => {
    const made = shapesPair({ seed, index, style: styleAt(index) });
    const contradicts = mixed(seed, index)(100) < contradicting;
    return { id: made.id, prompt: shapesProtocol.prompt(made.pair), reply: critique(made, contradicts) };
  };
};
