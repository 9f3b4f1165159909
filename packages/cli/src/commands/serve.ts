/** `r1reward serve`: the reward server in front of a judge, for RLHF frameworks. */
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { schedules, type SchedulePreset } from "@r1reward/core";
import { Command, Option } from "commander";
import pc from "picocolors";
import { describeDataset, fieldsFrom, openDataset } from "../dataset-index.ts";
import { interruptible } from "../interrupt.ts";
import { openJudge } from "../judging.ts";
import { addJudgeFlags, collect, flagError, wholeNumber, type JudgeFlags } from "../options.ts";
import { lockOutput } from "../output/lock.ts";

type Flags = JudgeFlags & {
  readonly host: string;
  readonly port: number;
  readonly groupSize?: number;
  readonly quietMs?: number;
  readonly preset: SchedulePreset;
  readonly minSpread: number;
  readonly state?: string;
  readonly dataset?: string;
  readonly datasetField?: readonly string[];
};

const datasetFrom = async ({ dataset, datasetField = [] }: Flags, signal: AbortSignal) => {
  if (dataset === undefined && datasetField.length > 0)
    throw flagError("--dataset-field", "expected --dataset with it");
  return dataset === undefined ? undefined : openDataset(dataset, fieldsFrom(datasetField), signal);
};

/** Tokens that clients must show, from the environment alone; several are separated by commas. */
const tokensFrom = (env: NodeJS.ProcessEnv): readonly string[] =>
  (env.R1REWARD_SERVE_TOKENS ?? "")
    .split(",")
    .map((token) => token.trim())
    .filter((token) => token !== "");

const spreadFrom = (text: string): number => {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0) || !Number.isFinite(value))
    throw flagError("--min-spread", `expected a number ≥ 0, got "${text}"`);
  return value;
};

const log = (mark: string, text: string): void => void process.stderr.write(`${mark} ${text}\n`);

/** Two servers on one folder would each throw out the other's groups. */
const lockState = async (folder: string | undefined): Promise<AsyncDisposable | undefined> => {
  if (folder === undefined) return undefined;
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch(() => undefined); // the server says why it cannot be used
  return lockOutput(join(folder, "groups.jsonl"), "--state");
};

const serve = async (flags: Flags, signal: AbortSignal): Promise<void> => {
  const { serveRewards } = await import("@r1reward/adapters/serve"); // only this command needs it
  const dataset = await datasetFrom(flags, signal);
  if (dataset !== undefined) log(pc.green("ok"), `${flags.dataset ?? ""}: ${describeDataset(dataset.stats)}`);
  await using _state = await lockState(flags.state);
  await using opened = await openJudge(flags, signal);
  const tokens = tokensFrom(process.env);
  await using server = await serveRewards({
    judge: opened.judge,
    host: flags.host,
    port: flags.port,
    groupSize: flags.groupSize,
    quietMs: flags.quietMs,
    auth: tokens.length === 0 ? undefined : { tokens },
    group: { preset: flags.preset, minSpread: flags.minSpread, seed: flags.seed },
    compare: { votes: flags.votes, orders: flags.orders, earlyStop: flags.earlyStop, seed: flags.seed },
    stateDir: flags.state,
    dataset,
    onEvent: (event) => {
      if (event.kind === "failure") log(pc.red("error"), event.message);
      if (event.kind === "alarm") log(pc.yellow("alarm"), event.message);
      if (event.kind === "recovered") log(pc.green("ok"), `${event.groups} groups recovered from ${flags.state ?? ""}`);
    },
  });
  log(pc.green("ok"), `${opened.judge.name} serves rewards at ${server.url} (metrics at /metrics, stop with Ctrl-C)`);
  if (!signal.aborted) await once(signal, "abort");
  log("…", "no new groups; waiting for those under way");
  await server.drain();
};

/** The command. */
export const serveCommand = (): Command =>
  addJudgeFlags(new Command("serve"))
    .description("serve rewards to RLHF frameworks over HTTP")
    .option("--host <address>", "address to listen on; any but loopback needs R1REWARD_SERVE_TOKENS", "127.0.0.1")
    .option("--port <n>", "port to listen on, 0 for a free one", wholeNumber(0), 20_240)
    .option("-g, --group-size <n>", "samples per prompt, when requests do not say", wholeNumber(1))
    .option("--quiet-ms <ms>", "a group without known size is whole when nobody has come for so long", wholeNumber(0))
    .addOption(
      new Option("--preset <name>", "which pairs of a group are judged")
        .choices(Object.keys(schedules))
        .default("balanced"),
    )
    .option("--min-spread <s>", "below it differences count as noise and become 0", spreadFrom, 0)
    .option("--state <folder>", "where open groups and results survive a restart (holds prompts and answers)")
    .option(
      "-d, --dataset <file>",
      "the trainer's data (JSONL, JSON or Parquet): images it does not send are found there by id, prompt or label",
    )
    .option("--dataset-field <what=name>", "field for id, prompt, label or reference; repeat for more", collect)
    .addHelpText(
      "after",
      `
Frameworks that call a reward URL (OpenRLHF, slime, ms-swift, …) are pointed at it; docs/guide/reward-server.md says how.
R1REWARD_SERVE_TOKENS holds the tokens that clients must show, separated by commas.

Examples:
  $ r1reward serve --base-url http://gpu:8000/v1 --group-size 8
  $ r1reward serve --base-url http://gpu:8000/v1 --group-size 8 --dataset train.jsonl --image-root data/images`,
    )
    .action((flags: Flags) => interruptible((signal) => serve(flags, signal)));
