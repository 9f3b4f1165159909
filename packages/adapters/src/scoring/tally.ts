/** Counting, for hosts that hide what failed. */
import { ConfigError, RewardError } from "@r1reward/core";
import type { Failure, FailureKind, Health, HealthLimits, Scored, ScoringStats } from "./types.ts";

/** What counts. */
export interface Tally extends Health {
  add(scored: Scored): void;
  addClamped(): void;
}

const total = (failed: ScoringStats["failed"]): number => Object.values(failed).reduce((sum, count) => sum + count, 0);

const listed = (failed: ScoringStats["failed"]): string =>
  Object.entries(failed)
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${count} ${kind}`)
    .join(", ");

/** @throws {RewardError} when the counts pass the limits. */
const checkHealth = (name: string, stats: ScoringStats, { maxFailureRate = 0.1, minAsked = 1 }: HealthLimits): void => {
  if (!(maxFailureRate >= 0 && maxFailureRate <= 1)) {
    throw new ConfigError(`maxFailureRate: expected a number from 0 to 1, got ${maxFailureRate}`);
  }
  const { asked, failed, lastFailure } = stats;
  if (asked < minAsked) {
    throw new RewardError(name, undefined, `expected at least ${minAsked} answers to score, got ${asked}`);
  }
  if (total(failed) > maxFailureRate * asked) {
    const counts = `${total(failed)} of ${asked} answers have no score (${listed(failed)})`;
    const last = `the last because ${lastFailure?.message ?? "of nothing known"}`;
    throw new RewardError(name, undefined, `${counts}; ${last}`, { cause: lastFailure?.cause });
  }
};

/** Starts counting from zero. */
export const createTally = (name: string): Tally => {
  const failed: Record<FailureKind, number> = { threw: 0, unreadable: 0, "not-comparable": 0, "not-finite": 0 };
  let [asked, scored, clamped, sum] = [0, 0, 0, 0];
  let lastFailure: Failure | null = null;
  const stats = (): ScoringStats => ({
    asked,
    scored,
    failed: { ...failed },
    clamped,
    meanScore: scored === 0 ? null : sum / scored,
    lastFailure,
  });
  return {
    stats,
    assertHealthy: (limits = {}) => checkHealth(name, stats(), limits),
    addClamped: () => void (clamped += 1),
    add: ({ failure, score }) => {
      asked += 1;
      if (failure === null) {
        scored += 1;
        sum += score ?? 0;
        return;
      }
      failed[failure.kind] += 1;
      lastFailure = failure;
    },
  };
};
