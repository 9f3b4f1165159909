// Draw pairs, see that texts alone tell nothing, and prepare pairs for a cold start with a teacher that is often wrong.
import { evaluate, formatReport, longerJudge } from "@r1reward/core";
import { answerBalancer, copyIndex, difficultyFilter, distillPair, fingerprintOf } from "@r1reward/core/prepare";
import { shapesBenchmark, shapesDataset, shapesReasoning, swapShapes } from "@r1reward/core/shapes";
import { scriptedModel } from "@r1reward/core/testing";

const drawn = [...shapesDataset({ seed: 1, n: 64, split: "test" })];
const pairs = drawn.map(({ pair }) => pair);

const report = await evaluate(shapesBenchmark, longerJudge, pairs);
console.log(formatReport(report).split("\n").slice(0, 4).join("\n"));

// The same pairs twice, the second time turned: every second one is a copy.
const index = copyIndex();
const unique = [];
for (const pair of [...pairs, ...pairs.map((one) => ({ ...one, responses: one.responses.toReversed() }))]) {
  const print = await fingerprintOf(pair);
  if (index.find(print) !== undefined) continue;
  index.add(pair.id, print);
  unique.push(pair);
}

const balancer = answerBalancer();
const balanced = unique.map((pair) => balancer.place(pair));

// A teacher that is right at once for one pair in three, after one mistake for the next, and never for the third.
const distil = async (pair, n) => {
  const one = drawn.find((each) => each.pair.id === pair.id);
  const record = pair.human === one.truth ? one : swapShapes(one);
  const teacher = scriptedModel((_messages, attempt) =>
    attempt >= [0, 1, 9][n % 3]
      ? shapesReasoning(record)
      : shapesReasoning(record).replace(/\d(?=<\/answer>)/, (d) => 3 - d),
  );
  const media = { fingerprint: "none", image: async () => ({ base64: new Uint8Array(0) }), video: async () => ({}) };
  const { attempts, critique } = await distillPair(teacher, pair, { media });
  return { ...pair, meta: { ...pair.meta, attempts: critique === null ? "failed" : attempts.length } };
};
const distilled = await Promise.all(balanced.map(distil));
const hard = distilled.filter(difficultyFilter());

const { first, second } = balancer.stats();
console.log(`\n${unique.length} different pairs, the better answer first in ${first} and second in ${second}`);
console.log(`${hard.length} of ${distilled.length} are hard: the teacher needed a second attempt or never got there`);
const plus = report.overall.accuracy <= 0.5 && unique.length === 64 && first === 32;
if (!plus || hard.length !== distilled.filter((_, n) => n % 3 !== 0).length) process.exitCode = 1;
