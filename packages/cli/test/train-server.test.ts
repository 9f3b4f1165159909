/** `r1reward train` with replies of a server: a whole run, a kill, a dead server, weights that the server never gets. */
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { deflateSync } from "node:zlib";
import { SHAPES_TEMPLATE, shapesPair, shapesProtocol } from "@r1reward/core/shapes";
import { createEngine, promptsOf, trainSft, type Engine } from "@r1reward/stablereinforce";
import { freshQwen } from "@r1reward/stablereinforce/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rolloutServer } from "./rollout-server.ts";
import { r1reward, start } from "./run-cli.ts";

const SIZE = {
  ...{ hiddenSize: 32, layers: 1, heads: 4, kvHeads: 2, intermediateSize: 48, ropeTheta: 16, context: 512 },
  ...{ visionHiddenSize: 16, visionDepth: 1, visionHeads: 2, visionIntermediateSize: 32 },
};

let folder: string;
let engine: Engine;
const model = (): string => join(folder, "model");
const replies = ["<think>a</think><answer>1</answer>", "<think>a</think><answer>2</answer>"] as const;

/** A model that has learnt the form and guesses the answer: rewards differ, so there is something to learn. */
const write = async (): Promise<void> => {
  const size = { engine, size: SIZE, vocabSize: 400, initSeed: 3, maxPixels: 12_544 };
  await using fresh = freshQwen({ ...size, texts: [...replies, ...replies, SHAPES_TEMPLATE] });
  const pairs = Array.from({ length: 8 }, (_, index) => {
    const made = shapesPair({ seed: 1, grade: 1, split: "train", index, deflate: (bytes) => deflateSync(bytes) });
    return made.pair as typeof made.pair & { readonly human: 0 | 1 };
  });
  const prompts = promptsOf(pairs, { protocol: shapesProtocol, order: "both" });
  const examples = await Promise.all(
    prompts.flatMap(({ prompt }) => replies.map((reply) => fresh.encode(prompt, reply))),
  );
  const run = { batch: 8, learningRate: 1e-2, warmup: 0, epochs: 15 };
  for await (const step of trainSft({ policy: fresh.policy, examples, run, steps: 60 }))
    if (step.step === 60) await fresh.save?.(model(), (await step.snapshot()).weights);
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "r1reward-rollouts-"));
  engine = await createEngine({ threads: 1 });
  await write();
}, 240_000);
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const config = async (name: string, server: string): Promise<string> => {
  const file = join(folder, `${name}.yaml`);
  const text = `
extends: tiny
model: {kind: qwen25vl, path: ${model()}, context: 512, lora: null, checkpoint: false}
engine: {threads: 1}
data: {source: {pairs: 8}, order: balanced}
sft: null
rl: {rolloutBatch: 4, samplesPerPrompt: 2, trainBatch: 8, maxTokens: 40, steps: 3, learningRate: 0.005, warmup: 0, finalLearningRate: 1, rollouts: {server: {${server}}}}
evaluation: null
checkpoints: {every: 1}
export: {weights: last}
`;
  await writeFile(file, text);
  return file;
};
const served = (url: string, reload: string): string => `url: "${url}", model: policy, reload: ${reload}`;

const TIMED = ["seconds", "sampleSeconds", "updateSeconds", "tokensPerSecond", "memory"];
const metricsOf = async (out: string): Promise<Record<string, unknown>[]> => {
  const text = await readFile(join(out, "rl", "metrics.jsonl"), "utf8").catch(() => "");
  const lines = text.split("\n").slice(0, -1);
  const parsed = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return parsed.map((line) => Object.fromEntries(Object.entries(line).filter(([name]) => !TIMED.includes(name))));
};
const weightsOf = (out: string): Promise<Buffer> => readFile(join(out, "model", "model.safetensors"));
const train = async (file: string, out: string, ...flags: string[]) =>
  r1reward(["train", "rl", "-c", file, "-o", out, ...flags]);

describe("replies of a server that is given the weights", () => {
  const whole = (): string => join(folder, "whole");
  const kept: { metrics: unknown; weights: Buffer; seeds: readonly number[] } = { metrics: [], weights: Buffer.of(), seeds: [] }; // prettier-ignore

  it("trains: each step is sampled with the newest weights", async () => {
    await using server = await rolloutServer(engine, model());
    const run = await train(await config("whole", served(server.url, "{kind: sglang}")), whole());
    expect(run.stderr).toContain(`rl: replies are sampled by policy at ${server.url}; it loads the trained weights before every step`); // prettier-ignore
    expect(run.stderr).not.toMatch(/stale-sampler|tokens in the prompt|read anew/);
    expect(run.code).toBe(0);
    expect(server.loaded.map((path) => /step-(\d)-/.exec(path)?.[1])).toEqual(["0", "1", "2"]);
    expect(server.seeds).toHaveLength(24);
    expect(await readdir(join(whole(), "rl", "served"))).toHaveLength(1); // those before are of no use to anybody
    const metrics = await metricsOf(whole());
    expect(metrics.map(({ step }) => step)).toEqual([1, 2, 3]);
    // The same program with the same weights: what is left is the order of sums.
    for (const { samplerGap } of metrics) expect(samplerGap).toBeLessThan(1e-3);
    expect(Math.max(...metrics.map(({ gradNorm }) => gradNorm as number))).toBeGreaterThan(0);
    Object.assign(kept, { metrics, weights: await weightsOf(whole()), seeds: [...server.seeds] });
  }, 400_000);

  it("killed with SIGKILL and resumed, it ends as the unbroken one, with a server at another address", async () => {
    const out = join(folder, "killed");
    {
      await using server = await rolloutServer(engine, model());
      const file = await config("killed", served(server.url, "{kind: sglang}"));
      const { child, ended } = start(["train", "rl", "-c", file, "-o", out, "-q"]);
      while ((await metricsOf(out)).length < 1 && child.exitCode === null) await sleep(20);
      child.kill("SIGKILL");
      expect((await ended).signal).toBe("SIGKILL");
    }
    await using server = await rolloutServer(engine, model());
    const again = await train(await config("again", served(server.url, "{kind: sglang}")), out, "--resume");
    expect(again.code).toBe(0);
    expect(await metricsOf(out)).toEqual(kept.metrics);
    expect((await weightsOf(out)).equals(kept.weights)).toBe(true);
  }, 400_000);

  it("a dead server: its address, nothing half-written, and the run goes on when it is back", async () => {
    const out = join(folder, "dead");
    const gone = await rolloutServer(engine, model());
    await gone[Symbol.asyncDispose]();
    const file = await config("dead", served(gone.url, "{kind: sglang}"));
    const dead = await train(file, out, "-q");
    expect(dead.stderr).toContain(`POST http://127.0.0.1:${gone.port}/update_weights_from_disk: expected the weights to be loaded`); // prettier-ignore
    expect(dead.code).toBe(4);
    expect(await readdir(join(out, "rl", "served"))).toEqual([]);
    expect(await metricsOf(out)).toEqual([]);
    await using server = await rolloutServer(engine, model(), gone.port);
    expect((await train(file, out, "-q", "--resume")).code).toBe(0);
    expect(server.seeds.toSorted()).toEqual(kept.seeds.toSorted());
    expect(await metricsOf(out)).toEqual(kept.metrics);
  }, 400_000);
});

describe("a server that never gets the weights", () => {
  it("trains with what is left to correct, and the alarm says when that is too much", async () => {
    await using server = await rolloutServer(engine, model());
    const out = join(folder, "stale");
    const run = await train(await config("stale", served(server.url, "null")), out, "--set", "rl.steps=5", "--set", "rl.learningRate=0.1"); // prettier-ignore
    expect(run.stderr).toContain("it is never given the trained weights");
    expect(run.stderr).toMatch(
      /rl step \d: stale-sampler: the program that samples is \S+ nats a token from the trainer/,
    );
    expect(run.code).toBe(0);
    expect(server.loaded).toEqual([]);
    const gaps = (await metricsOf(out)).map(({ samplerKl }) => samplerKl as number);
    expect(gaps[0]).toBeLessThan(1e-3);
    expect(gaps.at(-1)).toBeGreaterThan(0.05);
  }, 400_000);

  it("is told of before anything begins, and what cannot be is refused by name", async () => {
    const file = await config("plan", served("http://127.0.0.1:9/v1", "{kind: vllm-lora, every: 4}"));
    const none = await train(file, join(folder, "plan"));
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining("rl.rollouts.server.reload: kind vllm-lora: expected adapters to load, but model.lora is not set")]); // prettier-ignore
    const dry = await train(file, join(folder, "plan"), "--dry-run", "--set", "rl.rollouts.server.reload=null");
    expect(dry.stdout).toMatch(/replies +by a server +policy at http:\/\/127\.0\.0\.1:9\/v1; it is never given/);
    const typo = await train(
      await config("typo", 'url: "http://127.0.0.1:9", model: m, reload: {kind: sglan}'),
      folder,
    );
    expect([typo.code, typo.stderr]).toEqual([2, expect.stringMatching(/rl\.rollouts\.server\.reload\.kind: expected .*sglang/)]); // prettier-ignore
  }, 120_000);
});
