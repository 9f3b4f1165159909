// The table of docs/experiments/stability.md from its data: node experiments/stability/table.mjs [data.json]
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const file = process.argv[2] ?? fileURLToPath(new URL("../../docs/experiments/stability/data.json", import.meta.url));
const { runs } = JSON.parse(readFileSync(file, "utf8"));

const numbers = (run, name) => run.rows.map((row) => Number(row[name]));
const mean = (xs) => xs.reduce((sum, x) => sum + x, 0) / xs.length;
const most = (xs) => xs.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
const range = (xs, digits) => {
  const [low, high] = [Math.min(...xs).toFixed(digits), Math.max(...xs).toFixed(digits)];
  return low === high ? low : `${low} to ${high}`;
};

const columns = [
  ["reward, last 10 steps", (run) => mean(numbers(run, "reward").slice(-10)), 2],
  ["largest \\|loss\\|", (run) => most(numbers(run, "lossPeak")), 2],
  ["largest \\|log-ratio\\|, nats", (run) => most(numbers(run, "logRatioMax")), 1],
  ["KL at the end, nats", (run) => numbers(run, "kl").at(-1), 2],
  ["length at the end", (run) => numbers(run, "length").at(-1), 1],
  ["steps where Pre-CLIP acted", (run) => numbers(run, "preClipped").filter((x) => x > 0).length, 0],
  ["steps where the filter acted", (run) => numbers(run, "filtered").filter((x) => x > 0).length, 0],
  ["NaN", (run) => numbers(run, "nanCount").reduce((a, b) => a + b, 0), 0],
];
console.log(`| rate | algorithm | ${columns.map(([name]) => name).join(" | ")} |`);
console.log(`|${"---|".repeat(columns.length + 2)}`);
for (const rate of [...new Set(runs.map((run) => run.learningRate))].sort((a, b) => a - b)) {
  for (const algorithm of [...new Set(runs.map((run) => run.algorithm))]) {
    const some = runs.filter((run) => run.learningRate === rate && run.algorithm === algorithm);
    console.log(
      `| ${rate} | ${algorithm} | ${columns.map(([, of, digits]) => range(some.map(of), digits)).join(" | ")} |`,
    );
  }
}
