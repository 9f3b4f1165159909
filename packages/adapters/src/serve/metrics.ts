/** Counters and gauges in the Prometheus text format (version 0.0.4). Labels are names of dialects and reasons, never payloads. */

/** Labels of one series. */
export type Labels = Readonly<Record<string, string>>;

interface Family {
  readonly kind: "counter" | "gauge" | "histogram";
  readonly help: string;
  /** Values by their labels. */
  readonly series: Map<string, number>;
  readonly durations: Map<string, Durations>;
}

/** The server's numbers. */
export interface Metrics {
  add(name: MetricName, by?: number, labels?: Labels): void;
  /** Counts a duration in seconds into a histogram. */
  observe(name: MetricName, seconds: number, labels?: Labels): void;
  /** A gauge that is read when the metrics are. `NaN` when there is nothing to tell. */
  gauge(name: MetricName, read: () => number): void;
  /** The sum of a counter over all labels. */
  total(name: MetricName): number;
  render(): string;
}

const NAMES = {
  requests_total: ["counter", "Requests by dialect and status."],
  members_total: ["counter", "Answers by what became of them."],
  groups_total: ["counter", "Groups that were judged, by how whole they were."],
  retries_total: ["counter", "Requests that asked for a seat that was known."],
  late_total: ["counter", "Answers that came after their group was judged."],
  id_collisions_total: ["counter", "Ids that were taken by another answer."],
  shed_total: ["counter", "Requests that were told to come back, by reason."],
  vanished_total: ["counter", "Requests whose client left before the answer."],
  bad_input_total: ["counter", "Requests and entries that could not be read."],
  missing_images_total: ["counter", "Answers whose prompt names an image that was not found."],
  unauthorised_total: ["counter", "Requests without a valid token."],
  judge_calls_total: ["counter", "Judge calls by outcome."],
  judge_retries_total: ["counter", "Judge calls that were repeated after a failure."],
  group_failures_total: ["counter", "Groups that could not be judged at all."],
  zero_spread_groups_total: ["counter", "Groups whose rewards are all equal."],
  cache_hits_total: ["counter", "Judge calls answered from a cache or another call."],
  journal_errors_total: ["counter", "Records that could not be written or read."],
  hold_seconds: ["histogram", "How long requests were held."],
  judging_seconds: ["histogram", "From a group's firing to its freezing."],
  judge_seconds: ["histogram", "How long judge calls took."],
  held_requests: ["gauge", "Requests being held."],
  open_groups: ["gauge", "Groups that are open or being judged."],
  frozen_groups: ["gauge", "Groups kept for clients that ask again."],
  bytes_in_flight: ["gauge", "Bytes of bodies being read or held."],
  judge_queue: ["gauge", "Judge calls waiting for a turn."],
  judge_first_position_rate: ["gauge", "Share of decided verdicts for the answer shown first, over a window."],
  judge_flip_rate: ["gauge", "Share of pairs judged in both orders whose winner changed, over a window."],
  judge_unreadable_rate: ["gauge", "Share of replies without a verdict, over a window."],
  judge_constant_alarm: ["gauge", "1 when the judge names one position whatever it is shown."],
  reward_length_correlation: ["gauge", "Correlation of reward and length within groups, over a window."],
  reward_spread: ["gauge", "Mean spread of groups, in posterior standard deviations, over a window."],
  suspicious_responses_total: ["counter", "Answers that hold verdict tags or control markers, by kind."],
  suspicious_reward_mean: ["gauge", "Mean reward of suspicious answers: above 0 means that injections pay."],
} as const satisfies Record<string, readonly ["counter" | "gauge" | "histogram", string]>;

/** Names of the metrics, without the prefix `r1reward_`. */
export type MetricName = keyof typeof NAMES;

const BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

const escaped = (value: string): string =>
  /[\\"\n]/.test(value) ? value.replace(/[\\"\n]/g, (char) => (char === "\n" ? "\\n" : `\\${char}`)) : value;

/** `{a="1",b="2"}`, or nothing without labels. */
const series = (labels: Labels): string => {
  let text = "";
  for (const key in labels) text += `${text === "" ? "{" : ","}${key}="${escaped(labels[key]!)}"`;
  return text === "" ? "" : `${text}}`;
};

/** One series of a histogram. */
interface Durations {
  readonly labels: Labels;
  /** Per bucket alone, not added up; the last is for what is longer than all. */
  readonly counts: number[];
  sum: number;
}

const NO_LABELS: Labels = {};

const histogramLines = (name: string, { labels, counts, sum }: Durations): readonly string[] => {
  let seen = 0;
  const buckets = counts.map((count, at) => {
    seen += count;
    return `${name}_bucket${series({ ...labels, le: String(BUCKETS[at] ?? "+Inf") })} ${seen}`;
  });
  const key = series(labels);
  return [...buckets, `${name}_sum${key} ${sum}`, `${name}_count${key} ${seen}`];
};

const shown = (value: number): string => (Number.isNaN(value) ? "NaN" : String(value));

const familyLines = (name: string, family: Family, read: (() => number) | undefined): readonly string[] => {
  const { kind, help, series: values, durations } = family;
  if (kind === "gauge" && read === undefined) return [];
  return [
    `# HELP r1reward_${name} ${help}`,
    `# TYPE r1reward_${name} ${kind}`,
    ...(read === undefined ? [] : [`r1reward_${name} ${shown(read())}`]),
    ...[...values].map(([key, value]) => `r1reward_${name}${key} ${shown(value)}`),
    ...[...durations.values()].flatMap((own) => histogramLines(`r1reward_${name}`, own)),
  ];
};

/** Numbers of one server. */
export const createMetrics = (): Metrics => {
  const families = new Map<string, Family>(
    Object.entries(NAMES).map(([name, [kind, help]]) => [
      name,
      { kind, help, series: new Map<string, number>(), durations: new Map<string, Durations>() },
    ]),
  );
  const gauges = new Map<string, () => number>();
  return {
    add(name, by = 1, labels = NO_LABELS) {
      const values = families.get(name)!.series;
      const key = series(labels);
      values.set(key, (values.get(key) ?? 0) + by);
    },
    observe(name, seconds, labels = NO_LABELS) {
      const { durations } = families.get(name)!;
      const key = series(labels);
      let own = durations.get(key);
      if (own === undefined) {
        own = { labels, counts: new Array<number>(BUCKETS.length + 1).fill(0), sum: 0 };
        durations.set(key, own);
      }
      const at = BUCKETS.findIndex((le) => seconds <= le);
      own.counts[at < 0 ? BUCKETS.length : at]! += 1;
      own.sum += seconds;
    },
    gauge: (name, read) => void gauges.set(name, read),
    total: (name) => [...families.get(name)!.series.values()].reduce((sum, value) => sum + value, 0),
    render: () =>
      `${[...families].flatMap(([name, family]) => familyLines(name, family, gauges.get(name))).join("\n")}\n`,
  };
};
