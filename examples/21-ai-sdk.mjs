// AI SDK: best of four replies, and answers in the judge's order.
import { generateText, rerank, wrapLanguageModel } from "ai";
import { MockLanguageModelV3 } from "ai/test";
import { bestOfN, r1Reranker } from "@r1reward/adapters/ai-sdk";
import { longerJudge } from "@r1reward/core";

// A mock stands in for the policy.
const replies = ["A bus.", "A red bus.", "A red bus passes two cyclists.", "Bus"];
let call = 0;
const policy = new MockLanguageModelV3({
  doGenerate: async () => ({
    content: [{ type: "text", text: replies[call++] }],
    finishReason: { unified: "stop", raw: undefined },
    usage: { inputTokens: { total: 10 }, outputTokens: { total: 5 } },
    warnings: [],
  }),
});

const middleware = bestOfN({ judge: longerJudge, n: 4, specificationVersion: "v3" }); // "v4" for ai 7
const model = wrapLanguageModel({ model: policy, middleware });
const { text, usage, providerMetadata } = await generateText({ model, prompt: "What is in the picture?" });
console.log(`best of 4: ${text} (${usage.outputTokens} tokens, ${JSON.stringify(providerMetadata.r1reward.scores)})`);
if (text !== replies[2]) throw new Error("expected the longest reply");

const { rerankedDocuments } = await rerank({
  model: r1Reranker({ judge: longerJudge, specificationVersion: "v3" }),
  query: "What is in the picture?",
  documents: replies,
  topN: 2,
});
console.log("reranked:", rerankedDocuments);
