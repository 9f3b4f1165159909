/** `--dry-run`: what a run will need, before it begins. Nothing is written. */
import { isR1Error, messageOf } from "@r1reward/core";
import { diskNeeds, totalBytes, type Need, type StageFacts } from "@r1reward/stablereinforce";
import { table } from "../output/table.ts";
import { bytesText } from "./bytes-text.ts";
import type { RunConfig } from "./config/schema.ts";
import { factsOf, type RunFacts } from "./facts.ts";
import { machineMemory, needsOf, notesOf, onGpu } from "./memory.ts";
import { measureStages, type Measured } from "./measure.ts";
import { checkRollouts, rolloutsPlan, type RolloutsPlan } from "./rollouts.ts";
import { wantedStages, type StageName } from "./run-state.ts";

/** What is asked. */
export interface DryRunOptions {
  readonly config: RunConfig;
  readonly folder: string;
  readonly stages: readonly StageName[];
  readonly json: boolean;
  readonly signal: AbortSignal;
}

/** A stage's part of the answer. */
interface StagePlan extends StageFacts {
  readonly memory: readonly Need[];
  readonly memoryBytes: number;
  readonly flopsPerStep: number;
  /** Seconds of a step, and where that is from; `null` when nobody can tell. */
  readonly secondsPerStep: number | null;
  readonly seconds: number | null;
}

/** The whole answer. */
export interface DryRun {
  readonly name: string;
  readonly folder: string;
  readonly facts: Omit<RunFacts, "stages" | "qwen">;
  readonly machine: {
    readonly runtime: string;
    readonly provider: string;
    readonly gpu: boolean;
    /** A container's limit, where that is less than the machine has. */
    readonly memoryBytes: number;
    readonly freeBytes: number;
  };
  /** What is held where, on a GPU and in 16 bits. */
  readonly notes: readonly string[];
  readonly timeFrom: Measured["from"];
  readonly gflops: number | null;
  readonly stages: readonly StagePlan[];
  /** The server that samples; `null` when the trainer does. */
  readonly rollouts: RolloutsPlan | null;
  readonly disk: readonly Need[];
  readonly diskBytes: number;
  /** What is wrong already. */
  readonly problems: readonly string[];
}

/** Matrix products of a model run at about this share of what one large product reaches. */
const EFFICIENCY = 0.5;

const planOf = (facts: RunFacts, stage: StageFacts, measured: Measured): StagePlan => {
  const { memory, flops } = needsOf(facts, stage);
  const byFlops = measured.gflops === null ? null : flops / (measured.gflops * 1e9 * EFFICIENCY);
  const secondsPerStep = measured.seconds[stage.stage] ?? byFlops;
  return {
    ...stage,
    memory,
    memoryBytes: totalBytes(memory),
    flopsPerStep: flops,
    secondsPerStep,
    seconds: secondsPerStep === null ? null : secondsPerStep * stage.steps,
  };
};

const time = (seconds: number | null): string => {
  if (seconds === null) return "–";
  if (seconds < 120) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  if (seconds < 7200) return `${(seconds / 60).toFixed(0)} min`;
  return seconds < 3 * 86_400 ? `${(seconds / 3600).toFixed(1)} h` : `${(seconds / 86_400).toFixed(0)} days`;
};

const COLUMNS = [
  { title: "", align: "left" },
  { title: "", align: "right" },
  { title: "", align: "left" },
] as const;

const TIME_FROM: Readonly<Record<Measured["from"], string>> = {
  measured: "from real steps, made just now",
  flops: "from sizes, and one large matrix product timed just now; expect it to be off by a factor of two",
  nothing: "cannot be told: no engine works",
};

type Row = readonly string[];

const needRows = (list: readonly Need[], indent: string): readonly Row[] =>
  list.map(({ name, bytes: n, detail }) => [`${indent}${name}`, bytesText(n), detail]);

const memoryText = ({ machine }: DryRun, { memoryBytes }: StagePlan): string => {
  if (machine.gpu) return "about, of the following, on the GPU and on the machine together";
  return memoryBytes > machine.memoryBytes ? "more than this machine has" : "about, of the following";
};

const stageRows = (run: DryRun, stage: StagePlan): readonly Row[] => [
  [
    stage.stage === "sft" ? "cold start" : "reinforcement learning",
    `${stage.steps} steps`,
    `${stage.rowsPerStep} rows a step, ${stage.replies} of them sampled`,
  ],
  ["  a step takes about", time(stage.secondsPerStep), `${(stage.flopsPerStep / 1e12).toPrecision(3)} TFLOP`],
  ["  all steps take about", time(stage.seconds), TIME_FROM[run.timeFrom]],
  ["  memory", bytesText(stage.memoryBytes), memoryText(run, stage)],
  ...needRows(stage.memory, "    "),
];

const headRows = ({ facts, machine }: DryRun): readonly Row[] => {
  const { model, pairs, heldOut } = facts;
  const known = pairs !== null;
  return [
    [
      "parameters",
      model.parameters.toLocaleString("en-US"),
      `${model.trained.toLocaleString("en-US")} of them trained`,
    ],
    ["pairs", known ? pairs.toLocaleString("en-US") : "–", known ? `${heldOut} held out` : "the data cannot be read"],
    ["prompt", `${facts.promptTokens} tokens`, facts.promptFrom],
    [
      "machine",
      bytesText(machine.memoryBytes),
      `${machine.runtime}/${machine.provider}, ${machine.gpu ? "a GPU" : "no GPU"}, ${bytesText(machine.freeBytes)} free`,
    ],
  ];
};

const rolloutRows = ({ rollouts }: DryRun): readonly Row[] =>
  rollouts === null ? [] : [["replies", "by a server", `${rollouts.text}; times above are with sampling here`]];

const rowsOf = (run: DryRun): readonly Row[] => [
  ...headRows(run),
  ...run.stages.flatMap((stage) => stageRows(run, stage)),
  ...rolloutRows(run),
  ["disk", bytesText(run.diskBytes), run.folder],
  ...needRows(run.disk, "  "),
];

const print = (run: DryRun): void => {
  const [, , ...lines] = table(COLUMNS, rowsOf(run)).split("\n");
  process.stdout.write(`${run.name}: nothing was begun\n\n${lines.join("\n")}\n`);
  for (const note of run.notes) process.stdout.write(`\nnote: ${note}\n`);
  for (const problem of run.problems) process.stdout.write(`\nproblem: ${problem}\n`);
};

type Note = (error: unknown) => void;

/** What is wrong before anything is looked at. */
const checkSettings = (config: RunConfig, stages: readonly StageName[], note: Note): void => {
  try {
    wantedStages(config, stages);
    checkRollouts(config);
  } catch (error) {
    note(error);
  }
};

const answerOf = async ({ config, folder, stages, signal }: DryRunOptions, note: Note) => {
  checkSettings(config, stages, note);
  const facts = await factsOf(config, stages, { note, signal });
  const memory = machineMemory();
  const needed = Math.max(0, ...facts.stages.map((stage) => totalBytes(needsOf(facts, stage).memory)));
  const measured = await measureStages(config, facts, { fits: needed < memory.freeBytes, note, signal });
  const plans = facts.stages.map((stage) => planOf(facts, stage, measured));
  const rollouts = stages.includes("rl") ? rolloutsPlan(config, facts.model) : null;
  const { keep } = config.checkpoints;
  const disk = [
    ...diskNeeds(facts.model, { keep, stages: plans.length, exported: config.export?.dtype ?? false }),
    ...(rollouts?.disk ?? []),
  ];
  const { runtime, provider, gflops, from } = measured;
  const { stages: _stages, qwen: _qwen, ...rest } = facts;
  return {
    name: config.name,
    folder,
    facts: rest,
    machine: { runtime, provider, gpu: onGpu({ runtime, provider }), ...memory },
    notes: notesOf(config),
    timeFrom: from,
    gflops,
    stages: plans,
    rollouts,
    disk,
    diskBytes: totalBytes(disk),
  };
};

/**
 * Says what a run will need, as a table or as JSON.
 * @throws ConfigError and CheckpointError when the model's sizes cannot be known; AbortError
 */
export const dryRun = async (options: DryRunOptions): Promise<void> => {
  const { json, signal } = options;
  const problems: string[] = [];
  const answer = await answerOf(options, (error) => {
    if (!isR1Error(error) || signal.aborted) throw error;
    problems.push(messageOf(error));
  });
  const told = { ...answer, problems };
  if (json) process.stdout.write(`${JSON.stringify(told, null, 2)}\n`);
  else print(told);
};
