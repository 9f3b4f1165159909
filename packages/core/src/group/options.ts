import { ConfigError } from "../errors.ts";
import type { CallOptions } from "../interfaces.ts";
import type { Part } from "../types.ts";
import type { BradleyTerryOptions } from "./bradley-terry.ts";
import { hardOutcome, type OutcomeRule } from "./outcome.ts";
import type { Schedule } from "./schedule.ts";
import { schedules, type SchedulePreset } from "./schedules.ts";
import type { Anchor, GroupComparison } from "./types.ts";
import type { Normalise } from "./values.ts";

/** How a group is scored. */
export interface GroupOptions extends CallOptions {
  /** Which comparisons are made: a name from `schedules`; `balanced` unless told otherwise. */
  readonly preset?: SchedulePreset | undefined;
  /** The same as a value, made by `circulant`, `swiss` or `defineSchedule`. */
  readonly schedule?: Schedule | undefined;
  /** Decides who meets whom, together with the group's id; 0 unless told otherwise. */
  readonly seed?: number | undefined;
  /**
   * Spread gate, in posterior standard deviations (`spreadOf`): below it the strengths are taken for noise and every
   * judged difference becomes 0. A judge that must name a winner orders equal answers too, and a trainer that divides by
   * the group's deviation then blows that noise up. 0, no gate, unless told otherwise.
   */
  readonly minSpread?: number | undefined;
  /** Judge calls that run at once; 16 unless told otherwise. */
  readonly concurrency?: number | undefined;
  /** Applied to the group's values at the end, e.g. `rankNormalise`. */
  readonly normalise?: Normalise | undefined;
  /** How a judgment counts: `hardOutcome` unless told otherwise. */
  readonly outcome?: OutcomeRule | undefined;
  /** Priors of the fit. */
  readonly fit?: Omit<BradleyTerryOptions, "items"> | undefined;
  /** Called after each judge call, in the order in which they come back. */
  readonly onComparison?: ((comparison: GroupComparison) => void) | undefined;
}

/** A group whose responses are still to come. */
export interface OpenGroupOptions extends GroupOptions {
  readonly question: readonly Part[];
  readonly reference?: string | undefined;
  readonly anchors?: readonly Anchor[] | undefined;
  readonly id?: string | undefined;
  /**
   * How many responses are expected, 256 at most. With it the seed arranges them, and the pairs that close the circle
   * can start early too; without it 64 may come, arranged as they come. Fewer may come in either case.
   */
  readonly size?: number | undefined;
}

/** The largest group; the fit's cost grows with the cube. */
export const MAX_GROUP_SIZE = 256;

/** How many responses may come when nobody said how many will. */
export const DEFAULT_GROUP_CAPACITY = 64;

/** Options with their defaults filled in. */
export interface GroupSettings {
  readonly schedule: Schedule;
  readonly seed: number;
  readonly minSpread: number;
  readonly concurrency: number;
  readonly outcome: OutcomeRule;
  readonly normalise: Normalise;
  readonly fit: Omit<BradleyTerryOptions, "items">;
  readonly onComparison: (comparison: GroupComparison) => void;
}

const check = (ok: boolean, field: string, expected: string, got: unknown): void => {
  if (!ok) throw new ConfigError(`group ${field}: expected ${expected}, got ${String(got)}`);
};

const scheduleOf = ({ preset, schedule }: GroupOptions): Schedule => {
  check(preset === undefined || schedule === undefined, "preset", "no preset next to a schedule", preset);
  const name = preset ?? "balanced";
  check(Object.hasOwn(schedules, name), "preset", Object.keys(schedules).join(", "), name);
  return schedule ?? schedules[name];
};

const checkFixed = ({ reference, anchors = [] }: OpenGroupOptions): void => {
  check(reference === undefined || reference.trim() !== "", "reference", "text", JSON.stringify(reference));
  anchors.forEach(({ text, score }, index) => {
    check(text.trim() !== "", `anchors[${index}].text`, "text", JSON.stringify(text));
    check(Math.abs(score) < 1, `anchors[${index}].score`, "a number between -1 and 1", score);
  });
};

/** Checks what was asked for and fills in the defaults. @throws {ConfigError} naming the option. */
export const resolveOptions = (options: OpenGroupOptions): GroupSettings => {
  const { seed = 0, minSpread = 0, concurrency = 16, size } = options;
  const sizeOk = size === undefined || (Number.isInteger(size) && size >= 0 && size <= MAX_GROUP_SIZE);
  check(sizeOk, "size", `a whole number up to ${MAX_GROUP_SIZE}`, size);
  check(Number.isSafeInteger(seed), "seed", "a whole number", seed);
  check(minSpread >= 0 && minSpread < Infinity, "minSpread", "a number from 0", minSpread);
  const concurrencyOk = concurrency === Infinity || (Number.isInteger(concurrency) && concurrency > 0);
  check(concurrencyOk, "concurrency", "a whole number from 1, or Infinity", concurrency);
  checkFixed(options);
  return {
    schedule: scheduleOf(options),
    seed,
    minSpread,
    concurrency,
    outcome: options.outcome ?? hardOutcome,
    normalise: options.normalise ?? ((values) => values),
    fit: options.fit ?? {},
    onComparison: options.onComparison ?? (() => undefined),
  };
};
