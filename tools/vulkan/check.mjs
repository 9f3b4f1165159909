// WebGPU on the Vulkan driver that fetch.sh brought: kernel contract, a short training, sampling, in 32 and in 16 bits, against
// the CPU. Exits with 1 when a result is wrong, when a check outside the table fails, or when one inside it passes.
import { existsSync } from "node:fs";
import { createEngine } from "@r1reward/stablereinforce";
import { reference, runSuite } from "../gpu/suite.mjs";

if (process.env.VK_DRIVER_FILES === undefined || !existsSync(process.env.VK_DRIVER_FILES)) {
  console.log(
    "skipped webgpu: VK_DRIVER_FILES names no driver; run tools/vulkan/fetch.sh and read .cache/vulkan/env.sh",
  );
  process.exit(0);
}

/** Where lavapipe's answers differ from ours, and why. Each must still fail. */
const KNOWN = {
  "Asin: values": "Mesa's asin is a polynomial good to 3e-4, within what WGSL allows",
  "Acos: values": "Mesa's acos is a polynomial good to 3e-4, within what WGSL allows",
  "refuses GatherV2 of row -1": "on a GPU nothing looks at indices that are known when the graph runs",
  "refuses GatherNd of row -1": "on a GPU nothing looks at indices that are known when the graph runs",
};
/**
 * Allowed differences from the CPU's float32: of losses over eight steps and of log-probabilities, and the share of greedy tokens
 * before the first different one. Near ties go either way in 16 bits, and the weights are made so that there are some.
 */
const ALLOWED = { float32: { loss: 1e-3, logp: 1e-3, share: 1 }, float16: { loss: 4e-2, logp: 6e-2, share: 0.7 } };

const wrong = [];
const want = await reference();
for (const precision of ["float32", "float16"]) {
  const start = performance.now();
  const engine = await createEngine({ runtime: "onnx-node", provider: "webgpu", precision });
  const found = await runSuite(engine, { want, precision, known: KNOWN });
  const { contract, losses, lossDifference, tokens, tokensAgreed, logpDifference } = found;
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  console.log(
    `webgpu ${precision}: kernel contract, ${contract.passed} of ${contract.total} checks pass (${seconds} s)`,
  );
  for (const { name } of contract.failures) console.log(`  different: ${name}: ${KNOWN[name] ?? "NOT EXPECTED"}`);
  console.log(
    `webgpu ${precision}: ${losses.length} steps, loss ${losses[0].toFixed(4)} to ${losses.at(-1).toFixed(4)}, ` +
      `largest difference from the CPU ${lossDifference.toExponential(1)}; ${tokensAgreed} of ${tokens} greedy tokens equal, ` +
      `log-probabilities to ${logpDifference.toExponential(1)}`,
  );
  wrong.push(...contract.surprises.map((one) => `${precision}: ${one}`));
  if (!(lossDifference < ALLOWED[precision].loss)) wrong.push(`${precision}: losses ${losses.join(", ")}`);
  if (!(losses.at(-1) < losses[0])) wrong.push(`${precision}: the loss does not fall`);
  if (!(tokensAgreed >= ALLOWED[precision].share * tokens)) wrong.push(`${precision}: greedy tokens differ`);
  if (!(logpDifference < ALLOWED[precision].logp)) wrong.push(`${precision}: log-probabilities`);
}
for (const line of wrong) console.error(`FAIL ${line}`);
process.exit(wrong.length > 0 ? 1 : 0); // the GPU device would keep the process alive
