/** The report of a run: one HTML file that needs nothing else, and a summary in Markdown. */
import { chartsOf } from "./charts.ts";
import { drawChart, escapeText } from "./plot.ts";
import { alarmLines, chosenSamples, runFacts, stageFacts, type Fact } from "./summary.ts";
import type { RunStory, StageStory } from "./types.ts";

const STYLE = `
:root { --ink: #1d2126; --quiet: #5d6670; --line: #e2e5e9; --paper: #ffffff; --card: #f7f8fa; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --quiet: #9aa3ad; --line: #343a41; --paper: #15181c; --card: #1d2126; } }
body { margin: 0 auto; max-width: 1040px; padding: 24px; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 19px; margin: 36px 0 12px; border-bottom: 1px solid var(--line); padding-bottom: 6px; } h3 { font-size: 15px; margin: 24px 0 8px; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 16px; }
.charts > div, .sample { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 8px; }
svg { width: 100%; height: auto; display: block; font: 11px system-ui, sans-serif; } svg text { fill: var(--ink); } svg .title { font-weight: 600; font-size: 13px; } svg .quiet { fill: var(--quiet); }
svg .grid { stroke: var(--line); } svg .mark { stroke: var(--quiet); stroke-dasharray: 4 3; }
table { border-collapse: collapse; } td { padding: 2px 18px 2px 0; vertical-align: top; } td:first-child { color: var(--quiet); }
.sample { margin: 10px 0; padding: 10px 14px; } .sample p { margin: 0 0 6px; color: var(--quiet); }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; font: 13px/1.45 ui-monospace, monospace; }
ul { padding-left: 20px; } .quiet { color: var(--quiet); } details { margin-top: 32px; } summary { cursor: pointer; }
`;

const tableOf = (facts: readonly Fact[]): string =>
  `<table>${facts.map(([name, value]) => `<tr><td>${escapeText(name)}</td><td>${escapeText(value)}</td></tr>`).join("")}</table>`;

const listOf = (lines: readonly string[]): string =>
  `<ul>${lines.map((text) => `<li>${escapeText(text)}</li>`).join("")}</ul>`;

const TITLES: Readonly<Record<string, string>> = { sft: "Cold start", rl: "Reinforcement learning" };

const titleOf = (stage: string): string => TITLES[stage] ?? stage;

const rewardText = ({ value, parts }: StageStory["samples"][number]["reward"]): string => {
  const told = Object.entries(parts).filter(([name, part]) => part !== null && !name.includes("/"));
  const detail = told.map(([name, part]) => `${name} ${part}`).join(", ");
  return `reward ${value ?? "none"}${detail === "" ? "" : ` (${detail})`}`;
};

const samplesOf = (story: StageStory): string => {
  const samples = chosenSamples(story);
  if (samples.length === 0) return "";
  const cards = samples.map((sample) => {
    const wanted = sample.truth === 0 || sample.truth === 1 ? `, right is ${sample.truth + 1}` : "";
    const head = `step ${sample.step}, ${sample.id}${wanted}: ${rewardText(sample.reward)}`;
    return `<div class="sample"><p>${escapeText(head)}</p><pre>${escapeText(sample.text)}</pre></div>`;
  });
  return `<h3>Replies</h3>${cards.join("")}`;
};

const stageOf = (story: StageStory): string => {
  const alarms = alarmLines(story);
  const charts = chartsOf(story).map((chart) => `<div>${drawChart(chart)}</div>`);
  return [
    `<h2>${escapeText(titleOf(story.stage))}</h2>`,
    tableOf(stageFacts(story)),
    alarms.length === 0 ? "" : `<h3>Alarms</h3>${listOf(alarms)}`,
    `<h3>Curves</h3><div class="charts">${charts.join("")}</div>`,
    samplesOf(story),
  ].join("\n");
};

const skippedOf = ({ data }: RunStory): string => {
  if (data === null || data.skipped === 0) return "";
  const lines = data.problems.slice(0, 20).map(({ where, problem }) => `${where}: ${problem}`);
  const more = data.skipped > lines.length ? `<p class="quiet">and ${data.skipped - lines.length} more</p>` : "";
  return `<h3>Rows that were skipped</h3>${listOf(lines)}${more}`;
};

/** The report as one HTML file. Everything from the run is escaped: replies of a policy are untrusted. */
export const renderHtml = (story: RunStory): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeText(story.name)}</title><style>${STYLE}</style></head><body>
<h1>${escapeText(story.name)}</h1>
${tableOf(runFacts(story))}
${skippedOf(story)}
${story.stages.map(stageOf).join("\n")}
<details><summary>Configuration</summary><pre>${escapeText(story.config)}</pre></details>
</body></html>
`;

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");

const markdownTable = (facts: readonly Fact[]): string =>
  ["| | |", "|---|---|", ...facts.map(([name, value]) => `| ${cell(name)} | ${cell(value)} |`)].join("\n");

const markdownStage = (story: StageStory): string => {
  const alarms = alarmLines(story).map((text) => `- ${text}`);
  return [
    `## ${titleOf(story.stage)}`,
    markdownTable(stageFacts(story)),
    ...(alarms.length === 0 ? [] : [alarms.join("\n")]),
  ].join("\n\n");
};

/** The summary in Markdown: the facts without the curves. */
export const renderMarkdown = (story: RunStory): string => {
  const { data } = story;
  const skipped = data === null ? [] : data.problems.slice(0, 10).map(({ where, problem }) => `- ${where}: ${problem}`);
  const rows = skipped.length === 0 ? [] : [`Rows that were skipped:\n\n${skipped.join("\n")}`];
  return `${[`# ${story.name}`, markdownTable(runFacts(story)), ...rows, ...story.stages.map(markdownStage)].join("\n\n")}\n`;
};
