/** `r1reward doctor`: what works on this machine, and what would make the rest work. */
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, openaiCompatible } from "@r1reward/core";
import { resizerVersion } from "@r1reward/core/node";
import type { RuntimeReport } from "@r1reward/stablereinforce";
import { Command } from "commander";
import pc from "picocolors";
import { EXIT } from "../exit-codes.ts";
import { interruptible } from "../interrupt.ts";
import { addServerFlags, apiKeyFrom, defaultCacheFolder } from "../options.ts";
import { makeFolder } from "../output/whole.ts";

/** What a check found. `skip` is neither good nor bad: something optional is absent. */
export interface Finding {
  readonly check: string;
  readonly state: "ok" | "skip" | "fail";
  readonly detail: string;
  /** The command or setting that would help. */
  readonly hint?: string;
}

interface Flags {
  readonly baseUrl?: readonly string[];
  readonly model?: string;
  readonly cache?: string;
  readonly json?: boolean;
}

const NODE_FLOOR: readonly [number, number] = [20, 19];

/** Is this Node recent enough? */
export const checkNode = (version: string): Finding => {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const ok = major > NODE_FLOOR[0] || (major === NODE_FLOOR[0] && minor >= NODE_FLOOR[1]);
  const finding = { check: "node", detail: `${version} (needs ${NODE_FLOOR.join(".")} or newer)` };
  return ok
    ? { ...finding, state: "ok" }
    : { ...finding, state: "fail", hint: "install Node 22 or newer: https://nodejs.org" };
};

const checkSharp = async (): Promise<Finding> => {
  const check = "image resizing";
  try {
    return { check, state: "ok", detail: await resizerVersion() };
  } catch (error) {
    return { check, state: "skip", detail: messageOf(error), hint: "npm install sharp" };
  }
};

const checkCache = async (folder: string): Promise<Finding> => {
  const probe = join(folder, `.doctor-${process.pid}`);
  try {
    await makeFolder(folder);
    await writeFile(probe, "");
    await rm(probe);
    return { check: "reply cache", state: "ok", detail: folder };
  } catch (error) {
    const hint = "choose a folder you can write to: --cache <folder> or R1REWARD_CACHE";
    return { check: "reply cache", state: "fail", detail: messageOf(error), hint };
  }
};

/** Without what a native library adds in brackets: the sentence before says what helps. */
const short = (problem: string): string => problem.split(/ \((?=loading|\/)|\n/)[0] ?? "";

/** What a provider that would be taken before others needs besides its command. */
const WITH: Readonly<Record<string, string>> = { cuda: " (with an NVIDIA GPU, CUDA 12 and cuDNN 9)" };

/** What `auto` takes, why, and the first thing that it would have taken before, had its command been run. */
const checkAuto = async (reports: readonly RuntimeReport[]): Promise<Finding> => {
  const { createEngine } = await import("@r1reward/stablereinforce");
  await using engine = await createEngine();
  const { runtime, provider, why } = engine;
  const chosen = reports.findIndex((one) => one.runtime === runtime && one.provider === provider);
  const known = reports
    .slice(0, Math.max(0, chosen))
    .filter((one) => one.provider === "cpu" || one.provider === "cuda");
  const better = known.find((one) => one.command !== null);
  const finding: Finding = { check: "engine auto", state: "ok", detail: `${runtime}/${provider}: ${short(why)}` };
  if (better === undefined) return finding;
  const { command, provider: by } = better;
  return { ...finding, hint: `${better.runtime}/${by} would be faster${WITH[by] ?? ""}: ${String(command)}` };
};

/** The engine's runtimes, best first, and which one it would pick. Absent ones are nothing bad: one that works is enough. */
const checkEngine = async (): Promise<readonly Finding[]> => {
  const { describeRuntimes } = await import("@r1reward/stablereinforce"); // only this command needs it
  const reports = await describeRuntimes();
  const findings = reports.map(({ runtime, provider, works, problem, compiles }): Finding => {
    const check = `engine ${runtime}/${provider}`;
    if (works) return { check, state: "ok", detail: compiles ? "compiled" : "eager" };
    return { check, state: "skip", detail: short(problem ?? "does not work") };
  });
  const last: Finding = reports.some(({ works }) => works)
    ? await checkAuto(reports)
    : { check: "engine", state: "fail", detail: "no runtime works", hint: "npm install onnxruntime-web" };
  return [...findings, last];
};

/** Names a dialect with its version. */
const described = (dialect: string, version: string): string => (version === "" ? dialect : `${dialect} ${version}`);

const checkServer = async (baseUrl: string, model: string | undefined, signal: AbortSignal): Promise<Finding> => {
  const check = `judge at ${baseUrl}`;
  await using client = openaiCompatible({ baseURL: baseUrl, model: model ?? "any", apiKey: apiKeyFrom() });
  const { reachable, problem, dialect, version, models, hasModel } = await client.probe(signal);
  if (!reachable)
    return { check, state: "fail", detail: problem ?? "no answer", hint: "start the server, or correct --base-url" };
  const detail = `${described(dialect.name, version)}; models: ${models.join(", ") || "not listed"}`;
  if (model !== undefined && hasModel === false) {
    return { check, state: "fail", detail, hint: `it does not serve "${model}": --model ${models[0] ?? "<name>"}` };
  }
  return { check, state: "ok", detail: problem === undefined ? detail : `${detail} (${problem})` };
};

const MARKS = { ok: pc.green("ok  "), skip: pc.yellow("–   "), fail: pc.red("fail") } as const;

const print = (findings: readonly Finding[]): void => {
  for (const { check, state, detail, hint } of findings) {
    process.stdout.write(`${MARKS[state]} ${check}: ${detail}\n`);
    if (hint !== undefined) process.stdout.write(`       → ${hint}\n`);
  }
};

const doctor = async (flags: Flags, signal: AbortSignal): Promise<void> => {
  const findings = [
    checkNode(process.versions.node),
    await checkSharp(),
    await checkCache(flags.cache ?? defaultCacheFolder()),
    ...(await checkEngine()),
  ];
  for (const url of flags.baseUrl ?? []) findings.push(await checkServer(url, flags.model, signal));
  if ((flags.baseUrl ?? []).length === 0) {
    const hint = "r1reward doctor --base-url http://localhost:8000/v1";
    findings.push({ check: "judge", state: "skip", detail: "no server named; the built-in baselines work", hint });
  }
  if (flags.json === true) process.stdout.write(`${JSON.stringify(findings, null, 2)}\n`);
  else print(findings);
  if (findings.some(({ state }) => state === "fail")) process.exitCode = EXIT.usage;
};

/** The command. */
export const doctorCommand = (): Command =>
  addServerFlags(new Command("doctor"))
    .description("check this machine and, when one is named, the judge's server")
    .option("--cache <folder>", "where replies are kept")
    .option("--json", "findings as JSON on stdout")
    .action((flags: Flags) => interruptible((signal) => doctor(flags, signal)));
