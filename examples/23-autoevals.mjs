// autoevals: one scorer for Braintrust, evalite, Langfuse and others.
import { autoevalsScorer } from "@r1reward/adapters/autoevals";
import { longerJudge } from "@r1reward/core";

const scorer = autoevalsScorer({ judge: longerJudge, onError: "abstain" });

const input = "What is in the picture?";
console.log(await scorer({ input, output: "A red bus passes two cyclists.", expected: "A red bus." }));
console.log(await scorer({ input, output: "A bus.", expected: "A red bus." }));

// Without an expected answer there is nothing to compare with: null, not 0.
const { score, metadata } = await scorer({ input, output: "A bus." });
console.log(score, metadata.why);
console.log(scorer.stats());
if (score !== null) throw new Error("expected null");
