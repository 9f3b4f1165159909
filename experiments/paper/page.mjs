// The page of reproduce:paper from its data: node experiments/paper/page.mjs [--out docs/experiments/paper]
// Writes report.html (open it in a browser), one SVG per chart, and prints the tables as Markdown.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { drawChart, drawChartFile } from "@r1reward/stablereinforce";
import { settings } from "./setup.mjs";

const { values: flags } = parseArgs({
  options: {
    out: { type: "string", default: fileURLToPath(new URL("../../docs/experiments/paper", import.meta.url)) },
  },
});
const all = readdirSync(flags.out)
  .filter((name) => name.endsWith(".json"))
  .map((name) => JSON.parse(readFileSync(join(flags.out, name), "utf8")));
const coldStart = all.find(({ arm }) => arm === "cold start");
/** A setting's arms that were run, with their seeds in order. */
const runsOf = ({ name: setting, full, unbounded, others }) =>
  [...unbounded, ...others, full]
    .map(({ recipe: { name } }) => ({
      name,
      seeds: all.filter((run) => run.setting === setting && run.arm === name).sort((a, b) => a.seed - b.seed),
    }))
    .filter(({ seeds }) => seeds.length > 0);

const mean = (xs) => xs.reduce((sum, x) => sum + x, 0) / xs.length;
/** Quantiles 0.975 of Student's t with 1, 2, … degrees of freedom. */
const T975 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];
/** Half the width of the 95 % interval of a mean over seeds; 0 for one seed, which has none. */
const half = (xs) => {
  if (xs.length < 2) return 0;
  const m = mean(xs);
  const variance = xs.reduce((sum, x) => sum + (x - m) ** 2, 0) / (xs.length - 1);
  return T975[Math.min(T975.length, xs.length - 1) - 1] * Math.sqrt(variance / xs.length);
};

const percent = (x) => (100 * x).toFixed(1);
const spread = (xs, show) => (xs.length < 2 ? show(xs[0]) : `${show(mean(xs))} ± ${show(half(xs))}`);
const COLUMNS = [
  ["right in both orders, %", ({ accuracy }) => accuracy, percent],
  ["one critique, greedy, %", ({ single }) => single, percent],
  ["one critique, temperature 1, %", ({ sampled }) => sampled, percent],
  ["5 votes, %", ({ votes }) => votes[4], percent],
  ["15 votes, %", ({ votes }) => votes[14], percent],
  ["thought and answer agree, %", ({ agreement }) => agreement, percent],
  ["tokens", ({ length }) => length, (x) => x.toFixed(1)],
];
const rowsOf = (runs) =>
  [{ name: "cold start", seeds: [coldStart] }, ...runs].map(({ name, seeds }) => [
    name,
    String(name === "cold start" ? "" : seeds.length),
    ...COLUMNS.map(([, of, show]) =>
      spread(
        seeds.map(({ measured }) => of(measured)).filter((x) => x !== null),
        show,
      ),
    ),
  ]);
const HEAD = ["", "seeds", ...COLUMNS.map(([title]) => title)];

/** A curve over what all seeds have, with the interval around it. */
const curve = (name, series) => {
  const length = Math.min(...series.map((xs) => xs.length));
  const at = Array.from({ length }, (_, i) => series.map((xs) => xs[i]).filter((x) => x !== null));
  const points = at.map((xs, i) => [i + 1, mean(xs)]);
  const band = at.map((xs, i) => [i + 1, mean(xs) - half(xs), mean(xs) + half(xs)]);
  return { name, points, band: series.length > 1 ? band : undefined };
};
const overSteps = (runs, field) =>
  runs.map(({ name, seeds }) =>
    curve(
      name,
      seeds.map(({ rows }) => rows.map((row) => row[field])),
    ),
  );
const [gentle, rough] = settings.map(runsOf);
const full = gentle.find(({ name }) => name === "StableReinforce")?.seeds ?? [];
const measuredBy = (name, seeds, field) =>
  seeds.length === 0
    ? []
    : [
        curve(
          name,
          seeds.map(({ measured }) => measured[field]),
        ),
      ];
const overVotes = (field) => [
  ...measuredBy("cold start", [coldStart], field),
  ...measuredBy("StableReinforce", full, field),
];
const charts = {
  reward: { title: "Gentle: mean reward of a batch", lines: overSteps(gentle, "reward") },
  "rough-reward": { title: "Rough: mean reward of a batch", lines: overSteps(rough, "reward") },
  "rough-gradient": { title: "Rough: norm of the gradient", lines: overSteps(rough, "gradNorm") },
  "rough-length": { title: "Rough: tokens per reply", lines: overSteps(rough, "length") },
  votes: { title: "Right by the majority of k votes", over: "k", lines: overVotes("votes") },
  pass: { title: "At least one right among k (pass@k)", over: "k", lines: overVotes("passAtK") },
};
const tables = [
  ["Gentle: learning rate 1e-4, two updates a step, 16 steps", rowsOf(gentle)],
  ["Rough: learning rate 3e-4, four updates a step, 10 steps", rowsOf(rough)],
];

const STYLE = `:root{--ink:#222;--line:#ddd}body{font:15px/1.5 sans-serif;max-width:1000px;margin:2em auto;padding:0 1em;color:var(--ink)}
svg{width:100%;max-width:480px;font:11px sans-serif}svg .grid{stroke:var(--line)}svg .mark{stroke:#888;stroke-dasharray:4 3}svg text{fill:var(--ink)}svg .title{font-weight:bold}svg .quiet{fill:#777}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(400px,1fr));gap:1em}table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid var(--line);padding:.3em .5em;text-align:right}td{white-space:nowrap}td:first-child,th:first-child{text-align:left}`;
const cells = (tag, row) => `<tr>${row.map((cell) => `<${tag}>${cell}</${tag}>`).join("")}</tr>`;
const html = `<!doctype html><html lang="en"><meta charset="utf-8"><title>The paper's ablation on a small judge</title><style>${STYLE}</style>
<h1>The paper's ablation on a small judge</h1>
<p>Mean and 95 % interval (Student's t) over seeds; the cold start is the same for all. Bands in the charts are the same intervals; lines that do the same lie on top of one another. Without consistency the largest reward is 1.5, with it 2.</p>
${tables.map(([title, rows]) => `<h2>${title}</h2><table>${cells("th", HEAD)}${rows.map((row) => cells("td", row)).join("")}</table>`).join("")}
<div class="charts">${Object.values(charts).map(drawChart).join("")}</div></html>
`;
writeFileSync(join(flags.out, "report.html"), html);
for (const [name, chart] of Object.entries(charts)) writeFileSync(join(flags.out, `${name}.svg`), drawChartFile(chart));
for (const [title, rows] of tables) {
  console.log(`\n${title}\n\n| ${HEAD.join(" | ")} |\n|${"---|".repeat(HEAD.length)}`);
  for (const row of rows) console.log(`| ${row.join(" | ")} |`);
}
