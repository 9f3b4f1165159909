// Measure a judge on your own labelled pairs, and compare it with a baseline pair by pair.
import {
  compareRuns,
  customBenchmark,
  evaluate,
  formatComparison,
  formatReport,
  longerJudge,
  randomJudge,
} from "@r1reward/core";
import { readPreferences } from "@r1reward/core/node";

const samples = new URL("../packages/cli/samples/pairs.jsonl", import.meta.url).pathname;
const benchmark = customBenchmark("samples", { category: (pair) => String(pair.meta?.category ?? "other") });

const run = async (judge) => {
  const records = [];
  // Built-in judges look at no pictures, so pictures may be left out; a model judge would refuse to guess.
  const pairs = readPreferences(samples, { missingImages: "omit" });
  const report = await evaluate(benchmark, judge, pairs, { onRecord: (record) => void records.push(record) });
  return { report, records };
};

const baseline = await run(randomJudge(1));
const longer = await run(longerJudge);
console.log(formatReport(longer.report));
console.log();
console.log(formatComparison(compareRuns(baseline.records, longer.records)));
if (longer.report.overall.correct !== 11 || longer.report.n !== 24) process.exitCode = 1;
