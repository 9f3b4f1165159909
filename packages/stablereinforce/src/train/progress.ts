/** A report for people: one line of a terminal. */
import type { TrainingReport } from "./types.ts";

const shown = (value: number | null, digits = 3): string =>
  value === null
    ? "–"
    : Number.isFinite(value) && Math.abs(value) < 1e4
      ? value.toFixed(digits)
      : value.toExponential(1);

const percent = (share: number | null): string => (share === null ? "–" : `${(share * 100).toFixed(0)} %`);

/** `step 12/200  loss 0.123  reward 0.500  …`, without a line feed. */
export const progressLine = (report: TrainingReport, steps?: number): string => {
  const head = `step ${report.step}${steps === undefined ? "" : `/${steps}`}  loss ${shown(report.loss)}`;
  const speed = `${report.tokensPerSecond.toFixed(0)} tokens/s`;
  const alarms = report.nanCount > 0 ? `  NaN ${report.nanCount}` : "";
  if (report.kind === "sft") return `${head}  lr ${report.learningRate.toExponential(1)}  ${speed}${alarms}`;
  const { reward, kl, entropy, length, lengthAtCap, filtered, preClipped } = report;
  const signs = `kl ${shown(kl)}  entropy ${shown(entropy)}  length ${shown(length.mean, 0)} (${percent(lengthAtCap)} cut)`;
  const bounds = `pre-clipped ${percent(preClipped)}  filtered ${percent(filtered)}`;
  const lost = report.dropped > 0 ? `  ${report.dropped} without reward` : "";
  return `${head}  reward ${shown(reward.mean)}  ${signs}  ${bounds}  ${speed}${lost}${alarms}`;
};
