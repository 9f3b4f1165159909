// Langfuse: an experiment of the real client, scored against the expected output. Langfuse itself is a stand-in on a loopback
// port here; with your own, leave `baseUrl` and the keys to the environment.
import { createServer } from "node:http";
import { LangfuseClient } from "@langfuse/client";
import { langfuseEvaluator } from "@r1reward/adapters/langfuse";
import { longerJudge } from "@r1reward/core";

const received = [];
const server = createServer((request, response) => {
  let text = "";
  request.on("data", (piece) => (text += piece));
  request.on("end", () => {
    received.push(text);
    response.writeHead(200, { "content-type": "application/json" }).end('{"successes":[],"errors":[]}');
  });
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const baseUrl = `http://127.0.0.1:${server.address().port}`;

const langfuse = new LangfuseClient({ baseUrl, publicKey: "pk", secretKey: "sk" });
const evaluator = langfuseEvaluator({ judge: longerJudge, name: "r1reward" });
const answers = { "What is shown?": "A red bus passes two cyclists.", "Where?": "In town." };
const { itemResults } = await langfuse.experiment.run({
  name: "run",
  data: [
    { input: "What is shown?", expectedOutput: "A red bus." },
    { input: "Where?", expectedOutput: "On a street in the middle of town." },
  ],
  task: async ({ input }) => answers[input],
  evaluators: [evaluator],
});
await langfuse.flush();
server.closeAllConnections();
server.close();

for (const { item, evaluations } of itemResults)
  console.log(item.input, evaluations[0].value, "-", evaluations[0].comment);
evaluator.assertHealthy();
if (itemResults.map(({ evaluations }) => evaluations[0].value).join() !== "1,0") throw new Error("expected 1 and 0");
if (!received.some((text) => text.includes('"r1reward"'))) throw new Error("expected the scores to reach the server");
