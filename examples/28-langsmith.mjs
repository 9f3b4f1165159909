// LangSmith: `evaluate` of the real package with R1-Reward against the reference answer. LangSmith itself is a stand-in on a
// loopback port here; with your own, leave the client out and set LANGSMITH_API_KEY.
import { createServer } from "node:http";
import { langsmithEvaluator } from "@r1reward/adapters/langsmith";
import { longerJudge } from "@r1reward/core";

process.env.LANGSMITH_TRACING = "false";
const { Client } = await import("langsmith");
const { evaluate } = await import("langsmith/evaluation");

const uuid = (n) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
const now = "2026-01-01T00:00:00Z";
const example = (n, question, answer) => ({
  id: uuid(n),
  dataset_id: uuid(1),
  inputs: { question },
  outputs: { answer },
  created_at: now,
  modified_at: now,
  runs: [],
});
const examples = [
  example(10, "What is shown?", "A red bus."),
  example(11, "Where?", "On a street in the middle of town."),
];
const replyTo = (method, { pathname, searchParams }, body) => {
  if (pathname === "/sessions" && method === "POST")
    return { id: body.id ?? uuid(2), name: "run", tenant_id: uuid(3), reference_dataset_id: uuid(1), start_time: now };
  if (pathname === "/sessions") return [{ id: uuid(2), name: "run", tenant_id: uuid(3), start_time: now }];
  if (pathname.startsWith("/datasets")) return { id: uuid(1), name: "set", created_at: now, modified_at: now };
  if (pathname === "/examples") return searchParams.get("offset") === "0" ? examples : [];
  return {};
};
const server = createServer((request, response) => {
  let text = "";
  request.on("data", (piece) => (text += piece));
  request.on("end", () => {
    const isJson = text.startsWith("{") || text.startsWith("[");
    const reply = replyTo(request.method, new URL(request.url, "http://x"), isJson ? JSON.parse(text) : {});
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(reply));
  });
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const apiUrl = `http://127.0.0.1:${server.address().port}`;
const client = new Client({ apiUrl, webUrl: apiUrl, apiKey: "none", autoBatchTracing: false });

const answers = { "What is shown?": "A red bus passes two cyclists.", "Where?": "In town." };
const evaluator = langsmithEvaluator({
  judge: longerJudge,
  read: ({ inputs, outputs, referenceOutputs }) => ({
    question: inputs.question,
    response: outputs.answer,
    reference: referenceOutputs?.answer,
  }),
});
const target = async ({ question }) => ({ answer: answers[question] });
const { results } = await evaluate(target, { data: examples, evaluators: [evaluator], client }); // or a data set's name
const scores = Object.fromEntries(
  results.map(({ example: { inputs }, evaluationResults }) => [inputs.question, evaluationResults.results[0].score]),
);
server.closeAllConnections();
server.close();

console.log(scores);
evaluator.assertHealthy();
if (scores["What is shown?"] !== 1 || scores["Where?"] !== 0) throw new Error("expected 1 and 0");
process.exit(0); // the client keeps timers of its own
