// dsts: GEPA over an adapter that runs your program and scores whole batches.
import { GEPA } from "@currentai/dsts";
import { dstsAdapter } from "@r1reward/adapters/dsts";
import { longerJudge } from "@r1reward/core";

const adapter = dstsAdapter({
  judge: longerJudge,
  // Your program: a model call, in earnest.
  run: (_datum, { system }) => (system.includes("in detail") ? "A red bus passes two cyclists." : "A bus."),
  read: ({ question }, output) => ({ question, response: output, reference: "A red bus in a street." }),
});

const print = console.log;
console.log = () => {}; // the optimiser prints its diffs
const { bestScore, bestCandidate } = await new GEPA({
  seedCandidate: { system: "Describe the picture." },
  trainset: [{ question: "What is in picture 1?" }, { question: "What is in picture 2?" }],
  adapter,
  reflectionLM: async () => "Describe the picture in detail.",
  maxMetricCalls: 20,
  maxIterations: 2,
  seed: 1,
}).optimize();
console.log = print;

adapter.assertHealthy();
console.log(`best score ${bestScore}: ${bestCandidate.system}`);
if (bestScore !== 1) throw new Error("expected the better prompt to be found");
