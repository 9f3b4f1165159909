// Compiled against the published types of each host: what does not fit is an error here.
import { createScorer, notScorable } from "@mastra/core/evals";
import type { EvalScorer } from "braintrust";
import type { PairwiseJudge } from "@r1reward/core";
import { autoevalsScorer } from "@r1reward/adapters/autoevals";
import { mastraSteps, readAgentRun } from "@r1reward/adapters/mastra";

declare const judge: PairwiseJudge;

export const forBraintrust: EvalScorer<string, string, string> = autoevalsScorer({ judge });

const steps = mastraSteps({ judge, notScorable });
export const forMastra = createScorer<string, string>({ id: "r1reward", description: "R1-Reward" })
  .preprocess(steps.preprocess)
  .generateScore(steps.generateScore)
  .generateReason(steps.generateReason);

const agent = mastraSteps({ judge, notScorable, read: readAgentRun });
export const forAgents = createScorer({ id: "r1reward", description: "R1-Reward", type: "agent" })
  .preprocess(agent.preprocess)
  .generateScore(agent.generateScore)
  .generateReason(agent.generateReason);
