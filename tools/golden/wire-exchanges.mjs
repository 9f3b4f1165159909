#!/usr/bin/env node
// Records one exchange per request of every wire dialect: node tools/golden/wire-exchanges.mjs (after npm run build).
// The judge prefers the higher `q=` in an answer, so that the recorded rewards follow from the requests alone.
import { mkdirSync, writeFileSync } from "node:fs";
import { serveRewards } from "../../packages/adapters/dist/serve/index.js";

const out = new URL("../../packages/adapters/src/serve/fixtures/wire/", import.meta.url);
const quality = (text) => Number(/q=(-?[\d.]+)/.exec(text)?.[1] ?? 0);
const judge = {
  name: "known",
  async judge(pair, { swapped = false } = {}) {
    const [a, b] = pair.responses.map(quality);
    const verdict = a === b ? { kind: "tie" } : { kind: "winner", winner: a > b ? 0 : 1 };
    const usage = { promptTokens: null, completionTokens: null };
    return { verdict, reasoning: "because", text: "", swapped, usage, latencyMs: 0, cached: false, warnings: [] };
  },
};
const chat = (text) => `<|im_start|>user\n${text}<|im_end|>\n<|im_start|>assistant\n`;
const message = (text) => ({
  output: [{ type: "message", content: [{ type: "output_text", text, annotations: [] }] }],
});
const member = (text, index) => ({
  responses_create_params: { input: [{ role: "user", content: "Q" }] },
  response: message(text),
  _ng_group_id: "g",
  _ng_group_attempt: 0,
  _ng_rollout_index: index,
});
const roll = (text, rollout_id) => ({
  priority: 0,
  project_id: "p",
  experiment_id: "e",
  global_step: 1,
  data_id: "d",
  rollout_id,
  prompt: "Q",
  response: text,
  reward_info: { ground_truth: "x" },
  reward_manager: [],
  timeout: 300,
});
const genrm = (text) => ({
  model: "r1reward-pointwise",
  messages: [
    {
      role: "user",
      content: `## User Question\nQ\n\n## AI Assistant's Response\n${text}\n\n## Your Evaluation\nPlease evaluate the above response and provide your score.`,
    },
  ],
});
const post = (path, body) => ({ method: "POST", path, body });

/** Requests of one list are sent at once; lists one after the other. */
const families = {
  "get-reward": [
    ["q=1", "q=2"].map((a) =>
      post("/get_reward", { query: [`${chat("Q")}${a}<|im_end|>`], prompts: [chat("Q")], labels: ["x"] }),
    ),
    [post("/get_reward", { query: ["Ra q=1", "Rb q=2"], prompts: ["R", "R"], labels: [null, null] })],
    [post("/get_reward", { query: [], prompts: [], labels: [] })],
    [post("/get_reward", { prompts: ["S", "S"], responses: ["q=2", "q=1"] })],
  ],
  slime: [
    ["q=1", "q=2"].map((a) => post("/slime", { prompt: chat("T"), response: a, label: null })),
    ["q=1", "q=2"].map((a) => post("/rm?key=acc", { prompt: "U", response: a, label: null })),
  ],
  "nemo-gym": [
    [member("q=1", 0), member("q=2", 1)].map((body) => post("/verify", body)),
    [
      post("/compare", {
        conversation_history: [{ role: "user", content: "V" }],
        response_objs: [message("q=1"), message("q=2")],
      }),
    ],
    [post("/seed_session", {}), { method: "GET", path: "/reverify_mode" }],
    [post("/aggregate_metrics", { verify_responses: [{ _ng_task_index: 0, reward: 1 }] })],
  ],
  openai: [
    [{ method: "GET", path: "/v1/models" }],
    [post("/v1/chat/completions", genrm("q=3")), post("/v1/chat/completions", genrm("q=1"))],
    [
      post("/v1/chat/completions", {
        model: "r1reward-nemo-genrm",
        messages: [
          { role: "user", content: "Q" },
          { role: "response_1", content: "q=1" },
          { role: "response_2", content: "q=2" },
        ],
      }),
    ],
    [
      post("/v1/responses", {
        model: "r1reward-nemo-genrm",
        input: "Q",
        metadata: { response_1: "q=1", response_2: "q=2" },
      }),
    ],
  ],
  roll: [[post("/roll/submit", roll("q=1", 0)), post("/roll/submit", roll("q=2", 1))]],
  oat: [
    [
      post("/get_feedback", {
        batch_prompt: ["W", "W"],
        batch_response: [],
        batch_candidates: [
          ["q=1", "q=2"],
          ["q=2", "q=1"],
        ],
      }),
    ],
  ],
  "llama-factory": [[post("/v1/score/evaluation", { model: "m", messages: ["q=1", "q=2"].map((a) => chat("X") + a) })]],
  engines: [
    [post("/score", { model: "m", queries: "Y", documents: ["q=1", "q=2"] })],
    [post("/classify", { model: "m", input: [chat("Y") + "q=3"], use_activation: false })],
  ],
  native: [
    [post("/v1/rewards", { groups: [{ group_id: "a", prompt: "Z", responses: ["q=1", "q=2"] }] })],
    [post("/v1/compare", { prompt: "Z", responses: ["q=1", "q=2"] })],
  ],
};

mkdirSync(out, { recursive: true });
for (const [family, rounds] of Object.entries(families)) {
  const server = await serveRewards({ judge, port: 0, groupSize: 2, anchors: [{ text: "anchor q=2", score: 0 }] });
  const exchanges = [];
  for (const requests of rounds) {
    const replies = requests.map(async ({ method, path, body }) => {
      const init = {
        method,
        headers: { "content-type": "application/json" },
        ...(body && { body: JSON.stringify(body) }),
      };
      const response = await fetch(server.url + path, init);
      return { status: response.status, body: await response.json() };
    });
    const settled = await Promise.all(replies);
    exchanges.push(requests.map((request, at) => ({ request, reply: settled[at] })));
  }
  await server.close();
  writeFileSync(new URL(`${family}.json`, out), `${JSON.stringify({ groupSize: 2, rounds: exchanges }, null, 2)}\n`);
}
