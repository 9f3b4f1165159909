/** `r1reward train` as its users meet it: a whole run, a kill, Ctrl-C, a broken picture, a prompt that is too long, a typo. */
import { cp, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { deflateSync } from "node:zlib";
import { shapesPair, shapesReasoning } from "@r1reward/core/shapes";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { r1reward, start } from "./run-cli.ts";

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), "r1reward-train-"))));
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Small enough for a test, and everything is on: both stages, measuring, best weights, several checkpoints. */
const SMALL = `
extends: tiny
name: small
model: {size: {hiddenSize: 32, visionHiddenSize: 16, intermediateSize: 48, visionIntermediateSize: 32, layers: 1, visionDepth: 1, vocabSize: 400}}
engine: {threads: 1}
data: {source: {pairs: 24}, order: balanced}
sft: {batch: 8, steps: 6}
rl: {rolloutBatch: 4, samplesPerPrompt: 2, trainBatch: 4, maxTokens: 12, steps: 4}
evaluation: {every: 3, pairs: 4, maxTokens: 12}
checkpoints: {every: 1}
`;

const config = async (text = SMALL, name = "run.yaml"): Promise<string> => {
  const file = join(folder, name);
  await writeFile(file, text);
  return file;
};

const TIMED = ["seconds", "sampleSeconds", "updateSeconds", "tokensPerSecond", "memory"];
const linesOf = async (out: string, stage: string, file = "metrics.jsonl"): Promise<Record<string, unknown>[]> => {
  const lines = (await readFile(join(out, stage, file), "utf8")).trimEnd().split("\n");
  const parsed = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return parsed.map((line) => Object.fromEntries(Object.entries(line).filter(([name]) => !TIMED.includes(name))));
};
const stepsOf = async (out: string, stage: string) => (await linesOf(out, stage)).map(({ step }) => step);
const weightsOf = (out: string): Promise<Buffer> => readFile(join(out, "model", "model.safetensors"));

describe("a whole run", () => {
  const whole = () => join(folder, "whole");

  it("trains, measures, exports and reports", async () => {
    const run = await r1reward(["train", "run", "-c", await config(), "-o", whole(), "--json"]);
    expect(run.stderr).toContain("rl step 4: right");
    expect(run.code).toBe(0);
    expect(JSON.parse(run.stdout)).toMatchObject({
      status: "finished",
      stages: { sft: { status: "finished", step: 6 }, rl: { status: "finished", step: 4, resumedAt: null } },
    });
    expect(await stepsOf(whole(), "sft")).toEqual([1, 2, 3, 4, 5, 6]);
    const measured = await linesOf(whole(), "rl", "evaluations.jsonl");
    expect(measured.map(({ step }) => step)).toEqual([0, 3, 4]);
    expect(await readdir(join(whole(), "model"))).toEqual(
      expect.arrayContaining(["config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json"]),
    );
    const html = await readFile(join(whole(), "report.html"), "utf8");
    expect(html).toContain("Held-out accuracy with 95 % interval");
    expect(html).not.toMatch(/<script|src=|href=|url\(/);
    expect(await readFile(join(whole(), "report.md"), "utf8")).toContain("## Reinforcement learning");
  }, 240_000);

  it("the exported folder is a model that training opens", async () => {
    const text = `extends: tiny\nmodel: {kind: qwen25vl, path: ${join(whole(), "model")}, context: 512, lora: null, checkpoint: false}
engine: {threads: 1}\ndata: {source: {pairs: 8}}\nsft: {batch: 4, steps: 1}\nrl: null\nevaluation: null\nexport: null\n`;
    const run = await r1reward([
      "train",
      "sft",
      "-c",
      await config(text, "again.yaml"),
      "-o",
      join(folder, "again"),
      "-q",
    ]);
    expect(run.stderr).toBe("");
    expect(run.code).toBe(0);
  }, 120_000);

  it("killed with SIGKILL at any moment and resumed, it ends as the unbroken one", async () => {
    const file = await config();
    const out = join(folder, "killed");
    const kills: string[] = [];
    for (const [stage, step] of [
      ["sft", 2],
      ["sft", 5],
      ["rl", 1],
      ["rl", 3],
    ] as const) {
      // prettier-ignore
      const { child, ended } = start(["train", "run", "-c", file, "-o", out, "--resume"]);
      for (;;) {
        const reached = await stepsOf(out, stage).then((steps) => steps.includes(step), () => false); // prettier-ignore
        if (reached || child.exitCode !== null) break;
        await sleep(20);
      }
      await sleep(step * 7); // between a step's report and its checkpoint, or in the middle of the next
      child.kill("SIGKILL");
      const { signal } = await ended;
      kills.push(String(signal));
    }
    expect(kills.filter((signal) => signal === "SIGKILL").length).toBeGreaterThan(1);
    const run = await r1reward(["train", "run", "-c", file, "-o", out, "--resume", "-q"]);
    expect(run.code).toBe(0);
    for (const stage of ["sft", "rl"]) expect(await linesOf(out, stage)).toEqual(await linesOf(whole(), stage));
    expect((await weightsOf(out)).equals(await weightsOf(whole()))).toBe(true);
  }, 400_000);

  it("Ctrl-C finishes the step, saves it, and says how to go on", async () => {
    const out = join(folder, "stopped");
    const { child, ended } = start(["train", "run", "-c", await config(), "-o", out]);
    while (!(await stepsOf(out, "sft").then((steps) => steps.includes(2), () => false))) await sleep(20); // prettier-ignore
    child.kill("SIGINT");
    const stopped = await ended;
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toContain("--resume goes on");
    const steps = await stepsOf(out, "sft");
    const saved = (await readdir(join(out, "sft", "checkpoints"))).sort().at(-1);
    expect(Number(/step-0*(\d+)/.exec(saved ?? "")?.[1])).toBe(steps.at(-1));
    const again = await r1reward(["train", "run", "--resume", "-o", out, "-q"]);
    expect(again.code).toBe(0);
    expect((await weightsOf(out)).equals(await weightsOf(whole()))).toBe(true);
  }, 240_000);

  it("refuses a folder with a run, another run's folder, and a folder without one", async () => {
    const file = await config();
    const twice = await r1reward(["train", "run", "-c", file, "-o", whole(), "-q"]);
    expect([twice.code, twice.stderr]).toEqual([2, expect.stringContaining("--resume goes on with it")]);
    const other = await r1reward([
      "train",
      "run",
      "-c",
      file,
      "-o",
      whole(),
      "-q",
      "--resume",
      "--set",
      "rl.learningRate=1",
    ]);
    expect([other.code, other.stderr]).toEqual([
      2,
      expect.stringContaining("rl.learningRate was 0.0001, and is 1 now"),
    ]);
    const none = await r1reward(["train", "rl", "-o", join(folder, "none"), "--resume", "-q"]);
    expect([none.code, none.stderr]).toEqual([
      2,
      expect.stringContaining("expected the configuration of a run, there is none"),
    ]);
    const report = await r1reward(["train", "report", join(folder, "none")]);
    expect(report.code).toBe(2);
  }, 60_000);

  it("a checkpoint that was damaged is passed over; when all are, it says so", async () => {
    const out = join(folder, "damaged");
    await cp(whole(), out, { recursive: true });
    for (const name of await readdir(join(out, "rl", "checkpoints"))) {
      const path = join(out, "rl", "checkpoints", name, "weights-00000.safetensors");
      const bytes = await readFile(path);
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
      await writeFile(path, bytes);
    }
    const run = await r1reward(["train", "run", "-o", out, "--resume", "-q"]);
    expect([run.code, run.stderr]).toEqual([3, expect.stringContaining("no whole checkpoint")]);
  }, 60_000);
});

describe("data that is not as it should be", () => {
  const write = async (broken: readonly number[], long: readonly number[]): Promise<string> => {
    const images = join(folder, "images");
    await mkdir(images, { recursive: true });
    const rows = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const made = shapesPair({ seed: 3, index, deflate: (bytes) => deflateSync(bytes) });
        const [picture] = made.pair.question;
        const png = (picture as { image: { bytes: Uint8Array } }).image.bytes;
        await writeFile(join(images, `${index}.png`), broken.includes(index) ? png.subarray(0, 200) : png);
        const question = long.includes(index) ? "Why? ".repeat(600) : made.question;
        const { answers: responses, truth: human } = made;
        return { id: `p${index}`, question, image: `${index}.png`, responses, human, critique: shapesReasoning(made) };
      }),
    );
    const file = join(folder, "pairs.jsonl");
    await writeFile(file, rows.map((row) => JSON.stringify(row)).join("\n"));
    return file;
  };
  const text = (
    file: string,
    onBroken: string,
  ): string => `${SMALL.replace(/data:.*\n/, "").replace(/rl: .*\n/, "rl: null\n")}
data: {source: {kind: file, train: ${file}, imageRoot: ${join(folder, "images")}, critiqueField: critique, attemptsField: attempts, minAttempts: 0}, onBroken: ${onBroken}}
`;
  const run = async (onBroken: string, out: string) =>
    r1reward(["train", "sft", "-c", await config(text(join(folder, "pairs.jsonl"), onBroken), "data.yaml"), "-o", join(folder, out), "--set", "sft.steps=1", "--set", "evaluation=null"]); // prettier-ignore

  it("names the row of a broken picture, or skips and counts it", async () => {
    await write([6], []);
    const failed = await run("error", "broken-error");
    expect(failed.code).toBe(3);
    expect(failed.stderr).toMatch(/pairs\.jsonl:7: .*image/);
    const skipped = await run("skip", "broken-skip");
    expect(skipped.code).toBe(0);
    expect(skipped.stderr).toContain("19 pairs, 0 held out, 1 rows skipped");
    const state = JSON.parse(await readFile(join(folder, "broken-skip", "run.json"), "utf8")) as { data: object };
    expect(state.data).toMatchObject({
      train: 19,
      skipped: 1,
      problems: [{ where: expect.stringMatching(/pairs\.jsonl:7$/) }],
    });
    expect(await readFile(join(folder, "broken-skip", "report.html"), "utf8")).toContain("Rows that were skipped");
  }, 120_000);

  it("names the row of a prompt that is over the context", async () => {
    await write([], [4]);
    const failed = await run("error", "long-error");
    expect(failed.code).toBe(3);
    expect(failed.stderr).toMatch(/pairs\.jsonl:5: .*(512|context|maxTokens)/);
    expect((await run("skip", "long-skip")).stderr).toContain("19 pairs, 0 held out, 1 rows skipped");
  }, 120_000);

  it("a missing file, a typo, a wrong preset", async () => {
    await rm(join(folder, "pairs.jsonl"), { force: true });
    const missing = await run("skip", "missing");
    expect([missing.code, missing.stderr]).toEqual([3, expect.stringMatching(/pairs\.jsonl.*no such file/)]);
    const typo = await r1reward(["train", "run", "-c", await config(`${SMALL}monitr: {}\n`, "typo.yaml")]);
    expect([typo.code, typo.stderr]).toEqual([
      2,
      expect.stringMatching(/typo\.yaml:11:1: monitr: .*did you mean "monitor"\?/),
    ]);
    const preset = await r1reward(["train", "run", "--preset", "papr"]);
    expect([preset.code, preset.stderr]).toEqual([2, expect.stringContaining('did you mean "paper"?')]);
  }, 60_000);
});

describe("dry run", () => {
  it("tells of a 7B model by its config.json alone, and begins nothing", async () => {
    const model = join(folder, "seven");
    await mkdir(model, { recursive: true });
    await writeFile(join(model, "config.json"), JSON.stringify(SEVEN));
    const text = `model: {kind: qwen25vl, path: ${model}}\nengine: {threads: 1}\ndata: {source: {kind: file, train: none.jsonl}}\n`;
    const out = join(folder, "dry");
    const run = await r1reward([
      "train",
      "run",
      "-c",
      await config(text, "dry.yaml"),
      "-o",
      out,
      "--dry-run",
      "--json",
    ]);
    const told = JSON.parse(run.stdout) as {
      facts: { model: object; pairs: unknown };
      timeFrom: string;
      problems: string[];
    };
    // 8,292,166,656 is what the published checkpoint has.
    expect(told).toMatchObject({ facts: { model: { parameters: 8_292_166_656 }, pairs: null }, timeFrom: "flops" });
    expect(told.problems.join()).toMatch(/none\.jsonl/);
    await expect(readdir(out)).rejects.toThrow("ENOENT");
  }, 120_000);

  it("measures a step of a model that fits", async () => {
    const run = await r1reward(["train", "sft", "-c", await config(), "--dry-run"]);
    expect(run.stdout).toContain("from real steps, made just now");
    expect(run.stdout).toMatch(/cold start +6 steps/);
  }, 120_000);

  it("says what is where on a GPU and in 16 bits", async () => {
    const flags = ["--set", "engine.provider=cuda", "--set", "engine.precision=float16"];
    const run = await r1reward(["train", "sft", "-c", await config(), "--dry-run", ...flags]);
    expect(run.stdout).toMatch(/memory +\S+ MiB +about, of the following, on the GPU and on the machine together/);
    expect(run.stdout).toMatch(
      /note: engine\.precision float16: .*\n\nnote: engine\.provider cuda: activations are on/,
    );
  }, 120_000);
});

/** Sizes of Qwen2.5-VL-7B-Instruct as published. */
const SEVEN = {
  model_type: "qwen2_5_vl",
  hidden_act: "silu",
  hidden_size: 3584,
  intermediate_size: 18944,
  num_hidden_layers: 28,
  num_attention_heads: 28,
  num_key_value_heads: 4,
  vocab_size: 152064,
  max_position_embeddings: 128000,
  rms_norm_eps: 1e-6,
  rope_theta: 1e6,
  rope_scaling: { type: "mrope", mrope_section: [16, 24, 24] },
  use_sliding_window: false,
  tie_word_embeddings: false,
  image_token_id: 151655,
  video_token_id: 151656,
  vision_start_token_id: 151652,
  vision_end_token_id: 151653,
  vision_config: {
    depth: 32,
    hidden_act: "silu",
    hidden_size: 1280,
    intermediate_size: 3420,
    num_heads: 16,
    in_chans: 3,
    patch_size: 14,
    temporal_patch_size: 2,
    spatial_merge_size: 2,
    window_size: 112,
    fullatt_block_indexes: [7, 15, 23, 31],
    out_hidden_size: 3584,
    tokens_per_second: 2,
  },
};
