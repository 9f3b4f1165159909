// ax: GEPA improves an instruction against a pairwise judge, and the judge's critiques tell the teacher what to change.
import { ax, AxGEPA, AxMockAIService } from "@ax-llm/ax";
import { axFeedback, axFields, axMetric } from "@r1reward/adapters/ax";
import { judgeWith, r1Protocol } from "@r1reward/core";
import { scriptedModel } from "@r1reward/core/testing";

// Mock services stand in for the policy and the teacher: with "in detail" in its instruction the policy says more.
const service = (reply) =>
  new AxMockAIService({
    features: { functions: false, streaming: false },
    chatResponse: async (request) => ({
      results: [{ index: 0, content: reply(JSON.stringify(request)), finishReason: "stop" }],
      modelUsage: { ai: "mock", model: "mock", tokens: { promptTokens: 1, completionTokens: 1, totalTokens: 2 } },
    }),
  });
const policy = service((prompt) =>
  prompt.includes("in detail") ? "Answer: A red bus passes two cyclists." : "Answer: A bus.",
);
let critiqued = false;
const teacher = service((prompt) => {
  critiqued ||= prompt.includes("says who else is there");
  return `${/wire key: `(\w+)`/.exec(prompt)?.[1]}: Describe the picture in detail.`;
});

// A scripted model stands in for R1-Reward: it prefers the cyclists to the street, and the street to the bus alone.
const reference = "A red bus in a street.";
const judge = judgeWith(
  scriptedModel(([message]) => {
    const shown = message.content.map((part) => part.text).join("");
    const [cyclists, bus, street] = ["cyclists", "A bus.", reference].map((text) => shown.indexOf(text));
    const first = cyclists < 0 ? street < bus : cyclists < street;
    return `<think>The better answer says who else is there.</think><answer>${first ? 1 : 2}</answer>`;
  }),
  r1Protocol,
);

const examples = [1, 2].map((n) => ({ question: `What is in picture ${n}?`, answer: reference }));
const metric = axMetric({ judge, read: axFields({ question: "question", answer: "answer" }) });

const program = ax("question:string -> answer:string");
program.setInstruction("Describe the picture.");
const gepa = new AxGEPA({ studentAI: policy, teacherAI: teacher, numTrials: 2, minibatch: false, seed: 1 });
const { bestScore } = await gepa.compile(program, examples, metric, {
  feedbackExamples: examples,
  validationExamples: examples,
  maxMetricCalls: 50,
  feedbackFn: axFeedback(metric),
});

metric.assertHealthy(); // GEPA hides a judge that fails: this does not
console.log(`best score ${bestScore}, ${metric.stats().scored} answers judged`);
if (!critiqued) throw new Error("expected the critique in the reflection prompt");
if (bestScore !== 1) throw new Error("expected the better instruction to be found");
