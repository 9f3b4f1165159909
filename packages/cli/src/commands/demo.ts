/** `r1reward demo`: the sample records and drawn scenes, judged in both orders, with tables that say what the numbers hide. */
import { fileURLToPath } from "node:url";
import { plainPairsFormat, type Preference } from "@r1reward/core";
import { readPreferences } from "@r1reward/core/node";
import { Command, Option } from "commander";
import pc from "picocolors";
import { judging, type DemoFlags, type DemoRow } from "../demo-judging.ts";
import { tinyDemo } from "../demo-tiny.ts";
import { EXIT } from "../exit-codes.ts";
import { interruptible } from "../interrupt.ts";
import { openJudge, type OpenJudge } from "../judging.ts";
import { addJudgeFlags } from "../options.ts";
import { percent, table } from "../output/table.ts";

const SAMPLES = fileURLToPath(new URL("../samples/", import.meta.url));

const chosenFirst = (pair: Preference): Preference =>
  pair.human === 1 ? { ...pair, responses: [pair.responses[1], pair.responses[0]], human: 0 } : pair;

const loadSamples = async (signal: AbortSignal): Promise<readonly Preference[]> => {
  const pairs: Preference[] = [];
  const reading = readPreferences(`${SAMPLES}pairs.jsonl`, { format: plainPairsFormat, imageRoot: SAMPLES, signal });
  for await (const pair of reading) pairs.push(pair);
  return pairs;
};

const COLUMNS = [
  { title: "judge", align: "left" },
  { title: "shown", align: "left" },
  { title: "right", align: "right" },
  { title: "95 %", align: "left" },
  { title: "1 order", align: "right" },
  { title: "agree", align: "right" },
  { title: "1st", align: "right" },
  { title: "ties", align: "right" },
  { title: "unreadable", align: "right" },
] as const;

const cells = ({ judge, shown, report }: DemoRow): readonly string[] => [
  judge,
  shown,
  percent(report.overall.accuracy),
  report.overall.interval95?.map((bound) => (100 * bound).toFixed(0)).join("–") ?? "–",
  percent(report.averageAccuracy),
  percent(report.consistency.rate),
  percent(report.positionBias.firstRate),
  String(report.ties),
  String(report.unreadable + report.failures.n),
];

const explain = (usedModel: boolean): string =>
  [
    `${pc.bold("right")}    the decision over both orders names the human's choice (a tie is wrong), with its 95 % interval`,
    `${pc.bold("1 order")}  what a single look scores        ${pc.bold("agree")}  both orders named the same winner`,
    `${pc.bold("1st")}      share of looks that named the response shown first: 50 % is unbiased`,
    "",
    `A judge that always says "Response 1" is right in 100 % of the pairs when the preferred answer is always shown`,
    `first, as the paper's released evaluation scripts do. Shown in both orders it contradicts itself on every pair,`,
    `and a single look scores 50 %.`,
    ...(usedModel
      ? []
      : [
          "",
          "These judges look at neither picture nor meaning. To judge the same records with a model behind an OpenAI-compatible server:",
          pc.cyan("  R1REWARD_BASE_URL=http://localhost:8000/v1 npm run demo"),
        ]),
  ].join("\n");

const MORE = [
  "So few scenes tell little about votes. On 1,000 of them 15 votes are right in 91.0 % where one critique in each order is in 88.0 %:",
  pc.cyan("  r1reward eval shapes --model tiny --style ood --n 1000 --seed 14 --votes 15"),
].join("\n");

const rowsOfBaselines = async (
  flags: DemoFlags,
  pairs: readonly Preference[],
  signal: AbortSignal,
): Promise<readonly DemoRow[]> => {
  const runs = [
    { name: "baseline:longer", orders: "both", shown: "both orders", pairs },
    { name: "baseline:random", orders: "both", shown: "both orders", pairs },
    { name: "baseline:first", orders: "both", shown: "both orders", pairs },
    { name: "baseline:first", orders: "as-stored", shown: "best first", pairs: pairs.map(chosenFirst) },
  ] as const;
  const rows: DemoRow[] = [];
  for (const { name, orders, shown, pairs: shownPairs } of runs) {
    await using opened = await openJudge({ ...flags, judge: name }, signal);
    rows.push({
      judge: name,
      shown,
      report: await judging(flags, signal)(opened.judge, shownPairs, { orders, votes: flags.votes }),
    });
  }
  return rows;
};

const rowOfModel = async (
  opened: OpenJudge,
  flags: DemoFlags,
  pairs: readonly Preference[],
  signal: AbortSignal,
): Promise<DemoRow> => {
  const report = await judging(flags, signal)(opened.judge, pairs, { orders: "both", votes: flags.votes });
  if (report.failures.n > 0) {
    process.exitCode = EXIT.judge;
    process.stderr.write(`${pc.red("error")} ${report.failures.messages[0]?.message ?? "the judge failed"}\n`);
  }
  return { judge: opened.judge.name, shown: "both orders", report };
};

const demo = async (flags: DemoFlags, signal: AbortSignal): Promise<void> => {
  const pairs = await loadSamples(signal);
  const rows: DemoRow[] = [...(await rowsOfBaselines(flags, pairs, signal))];
  const usesModel = (flags.baseUrl?.length ?? 0) > 0;
  if (usesModel) {
    await using opened = await openJudge({ ...flags, imageRoot: SAMPLES }, signal);
    rows.push(await rowOfModel(opened, flags, pairs, signal));
  }
  const tiny = await tinyDemo(flags, signal);
  if (flags.json === true) {
    process.stdout.write(`${JSON.stringify([...rows, ...tiny.rows], null, 2)}\n`);
    return;
  }
  const title = `${pairs.length} preference records with pictures, drawn and written for this project`;
  process.stdout.write(`\n${pc.bold(title)}\n\n${table(COLUMNS, rows.map(cells))}\n\n${explain(usesModel)}\n`);
  const seen = `The judge that came with the install (--model tiny) on ${tiny.pairs} scenes it never saw, drawn in a style it never saw`;
  const shown = `${table(COLUMNS, tiny.rows.map(cells))}\n\n${tiny.critique}`;
  process.stdout.write(`\n${pc.bold(seen)}\n\n${shown}\n\n${MORE}\n`);
};

/** The command. */
export const demoCommand = (): Command =>
  addJudgeFlags(new Command("demo"))
    .description(
      "judge the bundled sample records: baselines, and your model when --base-url or R1REWARD_BASE_URL is set",
    )
    .addOption(new Option("--json", "the reports as JSON on stdout"))
    .action((flags: DemoFlags) => interruptible((signal) => demo(flags, signal)));
