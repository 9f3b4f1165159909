/** A report as flat numbers with names: what JSONL, TensorBoard and tables share. */
import type { TrainingReport } from "./types.ts";

/** Fields that are no measurements of their own. */
const LEFT_OUT = new Set(["kind", "losses", "snapshot", "samples"]);

/** Name → number. `reward.mean`, `rewardParts.format`; what was not measured is left out, NaN and infinities stay. */
export type Metrics = Readonly<Record<string, number>>;

/** The numbers of a report. Names with dots are from nested fields. */
export const metricsOf = (report: TrainingReport): Metrics => {
  const flat: [string, number][] = [];
  const visit = (prefix: string, value: object): void => {
    for (const [name, item] of Object.entries(value) as [string, unknown][]) {
      if (prefix === "" && LEFT_OUT.has(name)) continue;
      if (typeof item === "number") flat.push([`${prefix}${name}`, item]);
      else if (typeof item === "object" && item !== null) visit(`${prefix}${name}.`, item);
    }
  };
  visit("", report);
  return Object.fromEntries(flat);
};

/** NaN and infinities as text, since JSON has no such numbers and `null` means "not measured". */
const jsonNumber = (_key: string, value: unknown): unknown =>
  typeof value === "number" && !Number.isFinite(value) ? String(value) : value;

/**
 * A report as one line of JSON, without a line feed. Every digit is kept: two runs are equal when their lines are, but for
 * `seconds`, `tokensPerSecond` and `memory`.
 */
export const reportLine = (report: TrainingReport): string => {
  const { snapshot: _snapshot, samples: _samples, ...data } = report as TrainingReport & Record<string, unknown>;
  return JSON.stringify(data, jsonNumber);
};
