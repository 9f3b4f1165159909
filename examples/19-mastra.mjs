// Mastra: the three steps of a scorer. `@mastra/core` is 76 MB and no dependency of this repository; `node
// tools/peers/check.mjs` installs it and runs these steps inside its own `createScorer`. Here they are called in its order.
import { mastraSteps } from "@r1reward/adapters/mastra";
import { longerJudge } from "@r1reward/core";

const notScorable = (reason) => ({ notScorable: true, reason }); // from "@mastra/core/evals"
const steps = mastraSteps({ judge: longerJudge, notScorable, onError: "abstain" });

const run = { input: "What is shown?", output: "A red bus passes two cyclists.", groundTruth: "A red bus." };
const results = { preprocessStepResult: await steps.preprocess({ run }) };
const score = steps.generateScore({ results });
console.log(score, "-", steps.generateReason({ results }));
if (score !== 1) throw new Error("expected 1");

// Without a known answer there is nothing to compare with: not scorable, rather than 0.
const alone = { preprocessStepResult: await steps.preprocess({ run: { ...run, groundTruth: undefined } }) };
const nothing = steps.generateScore({ results: alone });
console.log(nothing);
if (nothing.notScorable !== true) throw new Error("expected no score");
