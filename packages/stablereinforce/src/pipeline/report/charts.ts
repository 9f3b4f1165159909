/** Which charts tell a stage's story. */
import type { StepReport, TrainingReport } from "../../train/types.ts";
import { hasPoints, type Chart, type Line } from "./plot.ts";
import type { StageStory } from "./types.ts";

const line = <R extends TrainingReport>(
  name: string,
  reports: readonly R[],
  of: (report: R) => number | null,
): Line => ({
  name,
  points: reports.map((report) => [report.step, of(report)]),
});

const isRl = (report: TrainingReport): report is StepReport => report.kind === "rl";

const common = (reports: readonly TrainingReport[]): readonly Chart[] => [
  { title: "Loss", lines: [line("loss", reports, ({ loss }) => loss)] },
  { title: "Gradient norm, before clipping", lines: [line("norm", reports, ({ gradNorm }) => gradNorm)] },
];

const reinforced = (reports: readonly StepReport[]): readonly Chart[] => {
  const parts = [...new Set(reports.flatMap(({ rewardParts }) => Object.keys(rewardParts)))].filter(
    (name) => !name.includes("/"),
  );
  const part = (name: string) => line(name, reports, ({ rewardParts }) => rewardParts[name] ?? null);
  return [
    { title: "Reward", lines: [line("reward", reports, ({ reward }) => reward.mean), ...parts.map(part)] },
    {
      title: "Length of replies, tokens",
      lines: [line("mean", reports, ({ length }) => length.mean), line("longest", reports, ({ length }) => length.max)],
    },
    {
      title: "Shares of tokens",
      lines: [
        line("pre-clipped", reports, ({ preClipped }) => preClipped),
        line("clipped", reports, ({ clipped }) => clipped),
        line("filtered", reports, ({ filtered }) => filtered),
      ],
    },
    {
      title: "Shares of replies",
      lines: [
        line("cut at the longest", reports, ({ lengthAtCap }) => lengthAtCap),
        line("repeated", reports, ({ repetition }) => repetition),
        line("no spread", reports, ({ zeroSpread }) => zeroSpread),
      ],
      range: [0, 1],
    },
    {
      title: "Divergence, nats per token",
      lines: [
        line("from the start (KL)", reports, ({ kl }) => kl),
        line("within a step", reports, ({ klOld }) => klOld),
      ],
    },
    { title: "Entropy, nats per token", lines: [line("entropy", reports, ({ entropy }) => entropy)] },
    { title: "Largest |log-ratio|, nats", lines: [line("log-ratio", reports, ({ logRatioMax }) => logRatioMax)] },
  ];
};

const measured = ({ evaluations }: StageStory): readonly Chart[] => {
  if (evaluations.length === 0) return [];
  const of = (name: string, value: (one: (typeof evaluations)[number]["evaluation"]) => number | null): Line => ({
    name,
    points: evaluations.map(({ step, evaluation }) => [step, value(evaluation)]),
    dots: true,
  });
  const band = evaluations.flatMap(({ step, evaluation: { interval95 } }) =>
    interval95 === null ? [] : [[step, interval95[0], interval95[1]] as const],
  );
  return [
    {
      title: "Held-out accuracy with 95 % interval",
      lines: [
        { ...of("both orders", ({ accuracy }) => accuracy), band },
        of("one order", ({ averageAccuracy }) => averageAccuracy),
      ],
      range: [0, 1],
      mark: { at: 0.5, name: "coin, one order" },
    },
    {
      title: "Held-out critiques",
      lines: [
        of("orders agree", ({ consistency }) => consistency),
        of("names the first", ({ firstRate }) => firstRate),
        of("right form", ({ format }) => format),
        of("unreadable", ({ unreadable }) => unreadable),
      ],
      range: [0, 1],
    },
  ];
};

/** The charts of a stage that have something to show, the most important first. */
export const chartsOf = (story: StageStory): readonly Chart[] => {
  const rl = story.reports.filter(isRl);
  const all = [...measured(story), ...(rl.length > 0 ? reinforced(rl) : []), ...common(story.reports)];
  return all
    .map((chart) => ({ ...chart, lines: chart.lines.filter((one) => hasPoints({ ...chart, lines: [one] })) }))
    .filter(hasPoints);
};
