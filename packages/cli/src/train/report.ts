/** `report.html` and `report.md` of a run's folder. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError, messageOf } from "@r1reward/core";
import {
  renderHtml,
  renderMarkdown,
  type ReplySample,
  type RunStory,
  type StageStory,
} from "@r1reward/stablereinforce";
import { parseReportLine, type AlarmLine, type EvaluationLine } from "@r1reward/stablereinforce/node";
import { runFiles, writeWhole } from "./folder.ts";
import { readState, type RunState } from "./run-state.ts";

const textOf = (file: string): Promise<string | null> =>
  readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT" || cause.code === "ENOTDIR") return null;
    throw cause;
  });

/** Whole lines that can be read: a run that is going on, or was killed, may leave half of one. */
const linesOf = async <T>(file: string, parse: (line: string) => T): Promise<readonly T[]> => {
  const text = (await textOf(file)) ?? "";
  return text.split("\n").flatMap((line) => {
    try {
      return line === "" ? [] : [parse(line)];
    } catch {
      return [];
    }
  });
};

const json = <T>(line: string): T => JSON.parse(line) as T;

const stageStory = async (folder: string, stage: "sft" | "rl", state: RunState | null): Promise<StageStory | null> => {
  const at = (name: string): string => join(runFiles(folder)[stage], name);
  const reports = await linesOf(at("metrics.jsonl"), parseReportLine);
  const evaluations = await linesOf<EvaluationLine>(at("evaluations.jsonl"), json);
  if (reports.length === 0 && evaluations.length === 0) return null;
  const told = state?.stages[stage];
  return {
    stage,
    status: told?.status ?? "running",
    reports,
    evaluations,
    samples: await linesOf<ReplySample>(at("samples.jsonl"), json),
    alarms: await linesOf<AlarmLine>(at("alarms.jsonl"), json),
    best: told?.best ?? null,
  };
};

/** What the configuration calls the run. @throws ConfigError naming the file when it is damaged */
const nameOf = (file: string, config: string): string => {
  try {
    return json<{ name: string }>(config).name;
  } catch (cause) {
    throw new ConfigError(`${file}: damaged: ${messageOf(cause)}`, { cause });
  }
};

const storyOf = async (folder: string): Promise<RunStory> => {
  const files = runFiles(folder);
  const config = await textOf(files.config);
  if (config === null) throw new ConfigError(`${files.config}: expected the configuration of a run, there is none`);
  const state = await readState(folder);
  const stages = [await stageStory(folder, "sft", state), await stageStory(folder, "rl", state)];
  return {
    name: state?.name ?? nameOf(files.config, config),
    policy: state?.policy ?? null,
    parameters: state?.parameters ?? null,
    data: state?.data ?? null,
    stages: stages.filter((stage) => stage !== null),
    config,
  };
};

/**
 * Writes both reports of a run, finished or not.
 * @throws ConfigError when the folder has no run, or a damaged one; OutputError
 */
export const writeReport = async (folder: string): Promise<{ readonly html: string; readonly markdown: string }> => {
  const story = await storyOf(folder);
  const { html, markdown } = runFiles(folder);
  await writeWhole(html, renderHtml(story));
  await writeWhole(markdown, renderMarkdown(story));
  return { html, markdown };
};
