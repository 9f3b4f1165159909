// An adapter of one's own in ten lines, for a host that asks about one answer at a time and keeps the highest score.
import { createScoring, numberOf, runningChampion } from "@r1reward/adapters/scoring";
import { longerJudge } from "@r1reward/core";

const scoring = createScoring(
  { name: "my host", abstains: false },
  { judge: longerJudge, scalarise: runningChampion(), onError: "throw" },
);
const score = async (question, response) => numberOf(await scoring.score(() => ({ question, response })));

// Each answer meets the best one so far: the highest score is always the latest champion's.
const answers = ["A bus.", "A red bus.", "Bus", "A red bus passes two cyclists.", "A red bus again."];
const scores = [];
for (const answer of answers) scores.push(await score("What is in the picture?", answer));
console.log(scores);

const best = answers[scores.indexOf(Math.max(...scores))];
console.log(`best: ${best}`);
if (best !== answers[3]) throw new Error("expected the longest answer");
