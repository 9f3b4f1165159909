// Judge one pair in both orders. The model here is scripted, so that the example runs anywhere; with a server behind it,
// replace it by openaiCompatible({ baseURL: "http://localhost:8000/v1", model: "yifanzhang114/R1-Reward" }).
import { comparePair, judgeWith, r1Protocol } from "@r1reward/core";
import { scriptedModel } from "@r1reward/core/testing";

const pair = {
  id: "busiest-day",
  question: [{ type: "text", text: "Monday 40, Thursday 90, Friday 55. Which day was the busiest?" }],
  responses: ["Friday, with 55 visitors.", "Thursday, with 90."],
};

// A judge that reads: it says which of the two, in the order shown, names Thursday.
const model = scriptedModel(([message]) => {
  const text = message.content.map((part) => part.text).join("");
  const thursdayFirst = text.indexOf("Thursday, with") < text.indexOf("Friday, with");
  return `<think>The highest number is 90, on Thursday.</think><answer>${thursdayFirst ? 1 : 2}</answer>`;
});

const decision = await comparePair(judgeWith(model, r1Protocol), pair);

console.log("winner:", decision.verdict); // the second response of the record, whichever way it was shown
console.log("both orders agree:", decision.consistent);
for (const { swapped, verdict, reasoning } of decision.judgments) {
  console.log(`  ${swapped ? "reversed " : "as stored"}  winner ${verdict.winner}  "${reasoning}"`);
}
if (decision.verdict.winner !== 1 || decision.consistent !== true) process.exitCode = 1;
