import assert from "node:assert/strict";
import { createScorer, notScorable } from "@mastra/core/evals";
import { Eval } from "braintrust";
import { longerJudge } from "@r1reward/core";
import { autoevalsScorer } from "@r1reward/adapters/autoevals";
import { mastraSteps, readAgentRun } from "@r1reward/adapters/mastra";

const judge = longerJudge;
const broken = { name: "broken", judge: () => Promise.reject(new Error("down")) };

const braintrust = async (options) => {
  const scorer = autoevalsScorer(options);
  const reporter = { noSendLogs: true, reporter: { name: "quiet", reportEval: () => true, reportRun: () => true } };
  const { results, summary } = await Eval(
    "r1reward",
    {
      data: () => [
        { input: "q", expected: "medium" },
        { input: "longer, please", expected: "medium" },
      ],
      task: (input) => (input === "q" ? "no" : "a long answer"),
      scores: [scorer],
    },
    reporter,
  );
  return { scores: results.map(({ scores }) => scores.R1Reward), results, summary, scorer };
};

const scored = await braintrust({ judge });
assert.deepEqual(scored.scores, [0, 1]);
assert.equal(scored.summary.scores.R1Reward.score, 0.5);

const thrown = await braintrust({ judge: broken });
assert.match(JSON.stringify(thrown.results[0]), /scorer_errors/);
assert.throws(() => thrown.scorer.assertHealthy(), /2 of 2 answers have no score/);

const abstained = await braintrust({ judge: broken, onError: "abstain" });
assert.equal(
  abstained.scores.every((score) => score === null || score === undefined),
  true,
);
assert.equal(abstained.scorer.stats().failed.threw, 2);
assert.deepEqual((await braintrust({ judge: broken, onError: 0.25 })).scores, [0.25, 0.25]);

const mastra = (options, config = {}) => {
  const steps = mastraSteps({ notScorable, ...options });
  return createScorer({ id: "r1reward", description: "R1-Reward", ...config })
    .preprocess(steps.preprocess)
    .generateScore(steps.generateScore)
    .generateReason(steps.generateReason);
};

const run = { input: "q", output: "a long answer", groundTruth: "no" };
assert.equal((await mastra({ judge }).run(run)).score, 1);
await assert.rejects(() => mastra({ judge: broken }).run(run), /down|r1reward/i);
const outcome = await mastra({ judge: broken, onError: "abstain" }).run(run);
assert.equal(outcome.score, undefined);
assert.match(outcome.notScorable.reason, /down/);
assert.equal((await mastra({ judge: broken, onError: 0 }).run(run)).score, 0);

const message = (role, text) => ({
  id: role,
  role,
  createdAt: new Date(0),
  content: { format: 2, parts: [{ type: "text", text }] },
});
const agentRun = {
  input: {
    inputMessages: [message("user", "q")],
    rememberedMessages: [],
    systemMessages: [],
    taggedSystemMessages: {},
  },
  output: [message("assistant", "a long answer")],
  groundTruth: "no",
};
const agent = await mastra({ judge, read: readAgentRun }, { type: "agent" }).run(agentRun);
assert.equal(agent.score, 1);
