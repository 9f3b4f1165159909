// One client process: asks as fast as `concurrency` allows for one window at a time, and counts its own CPU.
import { peers } from "./peers.mjs";

const [peer, baseURL, image, concurrency, core] = process.argv.slice(2);
const ask = await peers[peer](baseURL, image === "1", Number(concurrency), core);

const window = async (ms) => {
  const latencies = [];
  const end = performance.now() + ms;
  const cpu = process.cpuUsage();
  const began = performance.now();
  const loop = async () => {
    while (performance.now() < end) {
      const start = performance.now();
      const text = await ask();
      latencies.push(performance.now() - start);
      if (!text.endsWith("</think><answer>1</answer>")) throw new Error(`${peer}: not the reply that was sent`);
    }
  };
  await Promise.all(Array.from({ length: Number(concurrency) }, loop));
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  latencies.sort((a, b) => a - b);
  const at = (share) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))];
  return {
    perSecond: latencies.length / seconds,
    cpuMicros: (user + system) / latencies.length,
    p50: at(0.5),
    p99: at(0.99),
    rssMB: process.memoryUsage.rss() / 2 ** 20,
  };
};

// The compiler of the runtime needs thousands of requests before it is done with a client; the slowest ones get 6 s.
const ENOUGH = 5_000;
const warmUp = async (ms) => {
  const end = performance.now() + 6_000;
  let { perSecond } = await window(ms);
  for (let asked = (perSecond * ms) / 1000; asked < ENOUGH && performance.now() < end;) {
    ({ perSecond } = await window(ms));
    asked += (perSecond * ms) / 1000;
  }
};

process.on("message", async ({ ms, warm }) => {
  if (warm === "long") await warmUp(ms);
  process.send(await window(ms));
});
process.on("disconnect", () => process.exit());
process.send("ready");
