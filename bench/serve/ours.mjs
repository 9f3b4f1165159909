// The reward server with a judge that costs nothing but `delay` milliseconds: node ours.mjs <port> <delay>
import { serveRewards } from "@r1reward/adapters/serve";

const [port, delay] = process.argv.slice(2).map(Number);
const judgment = Object.freeze({
  verdict: { kind: "winner", winner: 0 },
  reasoning: "",
  text: "",
  swapped: false,
  usage: { promptTokens: null, completionTokens: null },
  latencyMs: 0,
  cached: false,
  warnings: [],
});
const judge = {
  name: "free",
  judge: () =>
    delay === 0 ? Promise.resolve(judgment) : new Promise((resolve) => setTimeout(() => resolve(judgment), delay)),
};
await serveRewards({ judge, port, groupSize: 8 });
if (process.env.PROF) process.once("SIGINT", () => process.exit(0));
