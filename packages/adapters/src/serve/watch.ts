/**
 * Signs of reward hacking and of a broken judge, over the last judgments and groups: verdicts that depend on the position,
 * rewards that follow length, answers that speak to the judge. A policy in training finds whatever pays; these show it.
 */
import { neutraliseMarkers, type GroupComparison } from "@r1reward/core";
import { onTime, type Attempt, type Seat } from "./book.ts";
import type { Metrics } from "./metrics.ts";

/** How many verdicts, pairs or groups a window holds. */
const WINDOW = 512;

/** Verdicts before the alarm may ring: at a fair coin, 40 equal ones in a row happen once in 5·10¹¹. */
const ALARM_VERDICTS = 40;
const ALARM_SHARE = 0.975;

interface Window {
  add(value: number): void;
  mean(): number;
  readonly size: () => number;
}

const window = (length = WINDOW): Window => {
  const values: number[] = [];
  let [next, total] = [0, 0];
  return {
    add(value) {
      total += value - (values[next] ?? 0);
      values[next] = value;
      next = (next + 1) % length;
      // Rounding is not carried on for ever.
      if (next === 0) total = values.reduce((sum, one) => sum + one, 0);
    },
    mean: () => (values.length === 0 ? NaN : total / values.length),
    size: () => values.length,
  };
};

/** Why an answer looks as if it spoke to the judge; `undefined` when it does not. */
export const suspicion = (response: string): "verdict-tag" | "heading" | "marker" | undefined => {
  if (/<\/?\s*(?:answer|think|boxed)\s*>/i.test(response)) return "verdict-tag";
  if (/^#{2,6} \[(?:Response [12]|Question)\]/m.test(response)) return "heading";
  return neutraliseMarkers(response).text === response ? undefined : "marker";
};

/** What the watch has seen. */
export interface Watch {
  onComparison(comparison: GroupComparison): void;
  onFrozen(attempt: Attempt): void;
  /** Is the judge naming one position whatever it is shown? */
  alarm(): boolean;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Correlation of two columns; `NaN` when one of them does not vary. */
export const correlation = (pairs: readonly (readonly [number, number])[]): number => {
  if (pairs.length < 2) return NaN;
  const [mx, my] = [mean(pairs.map(([x]) => x)), mean(pairs.map(([, y]) => y))];
  let [xy, xx, yy] = [0, 0, 0];
  for (const [x, y] of pairs) {
    xy += (x - mx) * (y - my);
    xx += (x - mx) ** 2;
    yy += (y - my) ** 2;
  }
  return xx * yy > 0 ? xy / Math.sqrt(xx * yy) : NaN;
};

/** Lengths and rewards of a group, both less the group's mean. */
const centred = (seats: readonly Seat[]): readonly (readonly [number, number])[] => {
  const known = seats.flatMap(({ response, result }) =>
    result?.value === null || result === undefined ? [] : [[response.length, result.value!] as const],
  );
  if (known.length < 2) return [];
  const [length, value] = [mean(known.map(([x]) => x)), mean(known.map(([, y]) => y))];
  return known.map(([x, y]) => [x - length, y - value] as const);
};

const suspects = (seats: readonly Seat[]) =>
  seats.flatMap(({ response, result }) => {
    const kind = suspicion(response);
    return kind === undefined ? [] : [{ kind, value: result?.value ?? null }];
  });

const isConstant = (first: Window): boolean =>
  first.size() >= ALARM_VERDICTS && Math.max(first.mean(), 1 - first.mean()) >= ALARM_SHARE;

/** Watches judgments and groups, and exports what it sees. */
export const createWatch = (metrics: Metrics, onAlarm: () => void = () => undefined): Watch => {
  const [first, flips, unreadable, spread, injected] = [window(), window(), window(), window(), window()];
  const lengths: (readonly [number, number])[] = [];
  let ringing = false;
  const check = (): void => {
    const rings = isConstant(first);
    if (rings && !ringing) onAlarm();
    ringing = rings;
  };
  metrics.gauge("judge_first_position_rate", first.mean);
  metrics.gauge("judge_flip_rate", flips.mean);
  metrics.gauge("judge_unreadable_rate", unreadable.mean);
  metrics.gauge("reward_spread", spread.mean);
  metrics.gauge("suspicious_reward_mean", injected.mean);
  metrics.gauge("reward_length_correlation", () => correlation(lengths));
  metrics.gauge("judge_constant_alarm", () => Number(ringing));
  return {
    onComparison({ judgment, swapped }) {
      if (judgment === null) return;
      const { verdict } = judgment;
      unreadable.add(Number(verdict.kind === "unreadable"));
      if (verdict.kind !== "winner") return;
      first.add(Number((verdict.winner === 0) !== swapped));
      check();
    },
    onFrozen(attempt) {
      const seats = onTime(attempt);
      lengths.push(...centred(seats));
      lengths.splice(0, lengths.length - 4 * WINDOW);
      const group = seats.find(({ result }) => result !== undefined)?.result?.group;
      if (typeof group?.spread === "number") spread.add(group.spread);
      if (typeof group?.flipRate === "number") flips.add(group.flipRate);
      for (const { kind, value } of suspects(seats)) {
        metrics.add("suspicious_responses_total", 1, { kind });
        if (value !== null) injected.add(value);
      }
    },
    alarm: () => ringing,
  };
};
