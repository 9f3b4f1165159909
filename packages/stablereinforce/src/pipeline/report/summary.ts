/** A run in numbers: what both forms of the report say. */
import type { TrainingReport } from "../../train/types.ts";
import type { RunStory, StageStory } from "./types.ts";

/** A name and a value. */
export type Fact = readonly [name: string, value: string];

/** `12.3 %`, or a dash for "cannot tell". */
export const percent = (share: number | null | undefined): string =>
  share === null || share === undefined ? "–" : `${(100 * share).toFixed(1)} %`;

const duration = (seconds: number): string => {
  if (seconds < 90) return `${seconds.toFixed(0)} s`;
  return seconds < 5400 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`;
};

const number = (x: number | null | undefined, digits = 3): string =>
  x === null || x === undefined ? "–" : Number.isFinite(x) ? x.toFixed(digits) : String(x);

const sum = (reports: readonly TrainingReport[], of: (report: TrainingReport) => number): number =>
  reports.reduce((total, report) => total + of(report), 0);

const count = (n: number): string => n.toLocaleString("en-US");

/** Facts of the whole run. */
export const runFacts = ({ policy, parameters, data }: RunStory): readonly Fact[] => [
  ["policy", policy ?? "–"],
  ["trained parameters", parameters === null ? "–" : count(parameters)],
  ...(data === null
    ? []
    : ([
        [
          "pairs to learn from",
          data.hard === data.train ? count(data.train) : `${count(data.train)}, ${count(data.hard)} of them hard`,
        ],
        ["pairs held out", count(data.heldOut)],
        ["rows skipped", count(data.skipped)],
      ] as const)),
];

const measuredFacts = ({ evaluations, best }: StageStory): readonly Fact[] => {
  const [first, last] = [evaluations[0], evaluations.at(-1)];
  if (first === undefined || last === undefined) return [];
  const shown = ({ step, evaluation: { accuracy, interval95, n } }: typeof first): string => {
    const range = interval95 === null ? "" : ` (95 %: ${interval95.map((x) => (100 * x).toFixed(0)).join("–")})`;
    return `${percent(accuracy)}${range} of ${n} at step ${step}`;
  };
  return [
    ["held-out accuracy before", shown(first)],
    ["held-out accuracy after", shown(last)],
    ...(best === null ? [] : ([["best", `${percent(best.accuracy)} at step ${best.step}`]] as const)),
    ["both orders agree", percent(last.evaluation.consistency)],
    ["unreadable critiques", percent(last.evaluation.unreadable)],
  ];
};

/** Facts of a stage. */
export const stageFacts = (story: StageStory): readonly Fact[] => {
  const { reports, status, alarms } = story;
  const last = reports.at(-1);
  if (last === undefined) return [["status", status], ...measuredFacts(story)];
  const seconds = sum(reports, (report) => report.seconds);
  const rewards: readonly Fact[] =
    last.kind === "rl"
      ? [
          ["reward, last step", number(last.reward.mean)],
          ["length, last step", `${number(last.length.mean, 0)} tokens, ${percent(last.lengthAtCap)} cut`],
        ]
      : [];
  return [
    ["status", status],
    ["steps", `${last.step}, ${count(last.updates)} updates`],
    ["time in steps", duration(seconds)],
    [
      "tokens learnt from",
      `${count(sum(reports, ({ tokens }) => tokens))}, ${count(Math.round(sum(reports, ({ tokens }) => tokens) / Math.max(seconds, 1e-9)))} a second`,
    ],
    ["loss, last step", number(last.loss, 4)],
    ...rewards,
    ...measuredFacts(story),
    ["updates skipped for NaN", count(sum(reports, ({ skippedUpdates }) => skippedUpdates))],
    ["alarms", count(alarms.length)],
  ];
};

/** Alarms of one kind in a row as one line. */
export const alarmLines = ({ alarms }: StageStory): readonly string[] => {
  const kinds = new Map<string, (typeof alarms)[number][]>();
  for (const alarm of alarms) kinds.set(alarm.kind, [...(kinds.get(alarm.kind) ?? []), alarm]);
  return [...kinds].map(([kind, all]) => {
    const [first, last] = [all[0] as (typeof all)[number], all.at(-1) as (typeof all)[number]];
    const steps =
      first.step === last.step ? `step ${first.step}` : `${all.length} times, steps ${first.step} to ${last.step}`;
    const acted = all.filter(({ action }) => action !== "none").map(({ step, action }) => `${action} at step ${step}`);
    return `${kind} (${steps}): ${last.message}${acted.length === 0 ? "" : `; ${acted.join(", ")}`}`;
  });
};

/** The samples that show most: the first and the last steps that have some. */
export const chosenSamples = ({ samples }: StageStory, most = 6): StageStory["samples"] => {
  if (samples.length <= most) return samples;
  const half = Math.floor(most / 2);
  return [...samples.slice(0, half), ...samples.slice(half - most)];
};
