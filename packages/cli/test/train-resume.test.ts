/** What `r1reward train` makes of a folder: other data, other weights, a start that failed, stages one by one, damaged files. */
import { cp, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { deflateSync } from "node:zlib";
import { shapesPair, shapesReasoning } from "@r1reward/core/shapes";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { r1reward, start } from "./run-cli.ts";

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), "r1reward-resume-"))));
afterAll(() => rm(folder, { recursive: true, force: true }));

const at = (...names: string[]): string => join(folder, ...names);

/** One step of either stage, with nothing measured. */
const SMALL = `
extends: tiny
name: small
model: {size: {hiddenSize: 32, visionHiddenSize: 16, intermediateSize: 48, visionIntermediateSize: 32, layers: 1, visionDepth: 1, vocabSize: 400}}
engine: {threads: 1}
sft: {batch: 4, steps: 2}
rl: {rolloutBatch: 2, samplesPerPrompt: 2, trainBatch: 4, maxTokens: 8, steps: 1}
evaluation: null
checkpoints: {every: 1}
`;
const SHAPES = `${SMALL}data: {source: {pairs: 12}, order: balanced}\n`;

const config = async (text: string, name: string): Promise<string> => {
  await writeFile(at(name), text);
  return at(name);
};
const train = async (stage: string, out: string, ...flags: string[]) =>
  r1reward(["train", stage, "-o", at(out), ...flags]);
const stateOf = async (out: string) =>
  JSON.parse(await readFile(at(out, "run.json"), "utf8")) as {
    stages: Record<string, { status: string }>;
    data: { skipped: number; problems: { where: string; problem: string }[] };
  };

interface Row {
  readonly critique: string;
  readonly human: number;
  readonly [field: string]: unknown;
}
type Change = (row: Row, index: number) => object;

/** Twelve pairs with pictures; a change makes other rows of them. */
const writePairs = async (change: Change = (row) => row): Promise<string> => {
  await mkdir(at("images"), { recursive: true });
  const rows = Array.from({ length: 12 }, async (_, index) => {
    const made = shapesPair({ seed: 3, index, deflate: (bytes) => deflateSync(bytes) });
    const [picture] = made.pair.question;
    await writeFile(at("images", `${index}.png`), (picture as { image: { bytes: Uint8Array } }).image.bytes);
    const { question, answers: responses, truth: human } = made;
    const row = { id: `p${index}`, question, image: `${index}.png`, responses, human, critique: shapesReasoning(made) };
    return JSON.stringify(change(row, index));
  });
  await writeFile(at("pairs.jsonl"), (await Promise.all(rows)).join("\n"));
  return at("pairs.jsonl");
};
const fileData = (train: string, more = ""): string =>
  `data: {source: {kind: file, train: ${train}, imageRoot: ${at("images")}, critiqueField: critique, attemptsField: attempts, minAttempts: 0}${more}}\n`;

describe("a run goes on with what it began with", () => {
  it("refuses other critiques, labels and pictures in as many rows, and goes on when they are back", async () => {
    const file = await config(`${SMALL}${fileData(await writePairs())}`, "file.yaml");
    expect((await train("sft", "data", "-c", file, "-q")).code).toBe(0);
    const again = () => train("sft", "data", "--resume", "-q");
    await writePairs((row) => ({ ...row, critique: `no ${row.critique}`, human: 1 - row.human }));
    const other = await again();
    expect([other.code, other.stderr]).toEqual([2, expect.stringMatching(/pairs\.jsonl \(data\.source\.train\): human choices and critiques are not those that the run began with; .*--out/)]); // prettier-ignore
    await writePairs();
    await cp(at("images", "1.png"), at("images", "0.png"));
    expect((await again()).stderr).toContain("pictures are not those that the run began with");
    await writePairs((row, index) => (index === 0 ? { ...row, human: null } : row));
    expect((await train("sft", "data", "--resume", "-q", "--set", "data.onBroken=skip")).code).toBe(2);
    await writePairs();
    expect((await again()).code).toBe(0);
  }, 120_000);

  it("refuses other base weights; a run of before there were fingerprints goes on, and is told so", async () => {
    const shapes = await config(SHAPES, "base.yaml");
    expect((await train("sft", "base", "-c", shapes, "-q")).code).toBe(0);
    const base = at("base", "model");
    const text = `extends: tiny\nname: lora\nmodel: {kind: qwen25vl, path: ${base}, context: 512, lora: {rank: 2, alpha: 4}, checkpoint: false}
engine: {threads: 1}\ndata: {source: {pairs: 8}}\nsft: {batch: 4, steps: 1}\nrl: null\nevaluation: null\nexport: null\n`;
    const file = await config(text, "lora.yaml");
    expect((await train("sft", "lora", "-c", file, "-q")).code).toBe(0);
    const weights = join(base, "model.safetensors");
    const bytes = await readFile(weights);
    bytes[bytes.length - 2] = (bytes.at(-2) ?? 0) ^ 1;
    await writeFile(weights, bytes);
    const other = await train("sft", "lora", "--resume", "-q");
    expect([other.code, other.stderr]).toEqual([2, expect.stringContaining("(model.path): weights, sizes or tokenizer are not those that the run began with")]); // prettier-ignore
    await rm(at("lora", "inputs.json"));
    const old = await train("sft", "lora", "--resume");
    expect([old.code, old.stderr]).toEqual([0, expect.stringContaining("its data and model were not compared")]);
    await writeFile(at("lora", "inputs.json"), "{");
    expect((await train("sft", "lora", "--resume")).stderr).toMatch(/inputs\.json: expected the fingerprints/);
  }, 120_000);

  it("lays --set over the settings that it has, and looks ahead with them", async () => {
    const shapes = await config(SHAPES, "set.yaml");
    expect((await train("sft", "set", "-c", shapes, "-q")).code).toBe(0);
    expect((await train("sft", "set", "--resume", "-q", "--set", "checkpoints.keep=3")).code).toBe(0);
    const other = await train("sft", "set", "--resume", "--set", "sft.learningRate=1");
    expect([other.code, other.stderr]).toEqual([2, expect.stringContaining("sft.learningRate was 0.003, and is 1 now")]); // prettier-ignore
    const dry = await train("sft", "set", "--resume", "--dry-run");
    expect(dry.stdout).toMatch(/^small: nothing was begun[^]*cold start +2 steps/);
  }, 120_000);
});

describe("a run that never began", () => {
  it("leaves its folder to the next one, also when an older version left its settings there", async () => {
    const missing = await config(`${SMALL}${fileData(at("none.jsonl"))}`, "missing.yaml");
    expect((await train("sft", "failed", "-c", missing, "-q")).code).toBe(3);
    expect(await readdir(at("failed"))).toEqual([]);
    await writeFile(at("failed", "config.json"), "{}");
    const right = await config(SHAPES, "right.yaml");
    expect((await train("sft", "failed", "-c", right, "-q")).code).toBe(0);
    const twice = await train("sft", "failed", "-c", right, "-q");
    expect([twice.code, twice.stderr]).toEqual([2, expect.stringContaining("there is a run already")]);
  }, 120_000);

  it("a stage that is not configured, and memory that is not there", async () => {
    const file = await config(SHAPES, "nothing.yaml");
    const none = await train("rl", "nothing", "-c", file, "--set", "rl=null");
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining("rl: expected settings of reinforcement learning, got null: there is nothing to train")]); // prettier-ignore
    const large = await train("sft", "nothing", "-c", file, "--set", "sft.batch=1000000000");
    expect([large.code, large.stderr]).toEqual([7, expect.stringMatching(/sft: about .* are needed, this machine has .*lower sft\.microBatch/)]); // prettier-ignore
    const heads = await train("sft", "nothing", "-c", file, "--set", "model.size.heads=5");
    expect([heads.code, heads.stderr]).toEqual([2, expect.stringContaining("model.size.heads: expected")]);
  }, 120_000);
});

describe("stages one by one", () => {
  it("keeps what earlier ones were told, and begins with a whole cold start only", async () => {
    const file = await config(SHAPES, "stages.yaml");
    expect((await train("sft", "stages", "-c", file, "-q")).code).toBe(0);
    await cp(at("stages"), at("unfinished"), { recursive: true });
    expect((await train("rl", "stages", "--resume", "-q")).code).toBe(0);
    const { stages } = await stateOf("stages");
    expect([stages.sft?.status, stages.rl?.status]).toEqual(["finished", "finished"]);
    const [last] = (await readdir(at("unfinished", "sft", "checkpoints"))).sort().slice(-1);
    await rm(at("unfinished", "sft", "checkpoints", String(last)), { recursive: true });
    const half = await train("rl", "unfinished", "--resume", "-q");
    expect([half.code, half.stderr]).toEqual([2, expect.stringMatching(/is not finished, it is at step 1 of 2: .*train run --resume --out .*--unfinished-start/)]); // prettier-ignore
    expect((await train("rl", "unfinished", "--resume", "-q", "--unfinished-start")).code).toBe(0);
  }, 120_000);

  it("skipped rows are counted once, with their place once", async () => {
    const pairs = await writePairs((row, index) => (index === 4 ? { ...row, human: null } : row));
    const measured = SMALL.replace("evaluation: null", "evaluation: {every: 9, pairs: 2, maxTokens: 8}");
    const file = await config(`${measured}${fileData(pairs, ", onBroken: skip")}`, "skip.yaml");
    const run = await train("sft", "skip", "-c", file);
    expect(run.stderr).toContain("9 pairs, 2 held out, 1 rows skipped");
    const { skipped, problems } = (await stateOf("skip")).data;
    expect([skipped, problems]).toEqual([1, [{ where: `${pairs}:5`, problem: expect.not.stringContaining("jsonl") }]]);
  }, 120_000);

  it("a second Ctrl-C says how to go on", async () => {
    const file = await config(SHAPES, "twice.yaml");
    const { child, ended } = start(["train", "sft", "-c", file, "-o", at("twice"), "--set", "sft.batch=600", "--set", "sft.steps=50"]); // prettier-ignore
    const text = { all: "" };
    child.stderr?.on("data", (chunk: string) => (text.all += chunk));
    while (!text.all.includes("step 1/50") && child.exitCode === null) await sleep(5);
    child.kill("SIGINT");
    while (!text.all.includes("once more stops at once") && child.exitCode === null) await sleep(1);
    child.kill("SIGINT");
    const { code, stderr } = await ended;
    expect(code).toBe(130);
    expect(stderr).toContain("with --resume goes on");
    expect(stderr).not.toContain("run the same command again");
  }, 120_000);
});

describe("damaged files", () => {
  it("names a damaged run.json in the report, and writes it anew", async () => {
    const file = await config(SHAPES, "state.yaml");
    expect((await train("sft", "state", "-c", file, "-q")).code).toBe(0);
    for (const text of ["{", "null"]) {
      await writeFile(at("state", "run.json"), text);
      const report = await r1reward(["train", "report", at("state")]);
      expect([report.code, report.stderr]).toEqual([2, expect.stringMatching(/run\.json: damaged: /)]);
      expect(report.stderr).not.toContain("    at ");
    }
    expect((await train("sft", "state", "--resume", "-q")).code).toBe(0);
    expect((await stateOf("state")).stages.sft?.status).toBe("finished");
  }, 120_000);

  it("exports the last weights where the best ones are damaged", async () => {
    const measured = SHAPES.replace("evaluation: null", "evaluation: {every: 1, pairs: 2, maxTokens: 8}");
    expect((await train("sft", "best", "-c", await config(measured, "best.yaml"), "-q")).code).toBe(0);
    const [name] = await readdir(at("best", "sft", "best"));
    await writeFile(at("best", "sft", "best", String(name), "weights-00000.safetensors"), "");
    await rm(at("best", "model"), { recursive: true });
    const again = await train("sft", "best", "--resume");
    expect([again.code, again.stderr]).toEqual([0, expect.stringMatching(/export: the best weights, of step 0, cannot be read, those of step 2 take their place: .*weights-00000/)]); // prettier-ignore
    expect(await readdir(at("best", "model"))).toContain("model.safetensors");
  }, 120_000);
});

describe("the exported model", () => {
  it("is asked as it was in training, unless --protocol says otherwise", async () => {
    const file = await config(SHAPES, "asked.yaml");
    expect((await train("sft", "asked", "-c", file, "-q")).code).toBe(0);
    const model = at("asked", "model");
    const judge = async (...flags: string[]): Promise<string> => {
      const flagged = ["--model", model, "--n", "1", "--max-tokens", "4", "--json", "--no-cache", "--quiet", ...flags];
      const { stdout, stderr } = await r1reward(["eval", "shapes", ...flagged]);
      return stdout === "" ? stderr : (JSON.parse(stdout) as { judge: string }).judge;
    };
    expect(await judge()).toContain("shapes");
    expect(await judge("--protocol", "plain")).not.toContain("shapes/");
    await writeFile(join(model, "r1reward.json"), '{"protocol": "shape"}');
    expect(await judge()).toMatch(/r1reward\.json: protocol: expected one of .*got "shape"/);
    await writeFile(join(model, "r1reward.json"), "{");
    expect(await judge()).toContain("r1reward.json: ");
  }, 120_000);
});
