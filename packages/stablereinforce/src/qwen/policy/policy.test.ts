import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Tensor } from "@tensorflow/tfjs-core";
import { createEngine } from "../../engine/engine.ts";
import type { HostTensor } from "../../engine/tensor.ts";
import type { Engine } from "../../engine/types.ts";
import type { Params, Sampled, TokenRow } from "../../policy/index.ts";
import { sequenceSeed } from "../../sample/index.ts";
import { trainSft } from "../../train/sft.ts";
import type { QwenRow } from "../inputs/types.ts";
import {
  goldenModel,
  numberTokenizer,
  promptOf,
  rowsByText,
  type GoldenModel,
  type GoldenReply,
} from "./golden.test-kit.ts";
import { isLora, mergeLora } from "../model/index.ts";
import {
  frozenVision,
  fullTraining,
  loraTraining,
  qwen25vl,
  type Qwen25VLOptions,
  type Qwen25VLPolicy,
} from "./index.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 }); // many small graphs, each of which is traced and loaded

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ runtime: "onnx-node", threads: 1 });
});
afterAll(() => engine[Symbol.asyncDispose]());

const open = (golden: GoldenModel, options: Partial<Qwen25VLOptions> = {}): Qwen25VLPolicy =>
  qwen25vl({
    engine,
    config: golden.config,
    tokenizer: numberTokenizer(golden.config.text.vocabSize),
    inputs: rowsByText(golden.replies.map(({ row }) => row)),
    weights: golden.params,
    ...options,
  });

/** Samples some prompts, `n` replies of each. → replies in the order asked. */
const sampled = async (
  policy: Qwen25VLPolicy,
  prompts: readonly number[],
  { n = 1, temperature = 0, maxTokens = 24 } = {},
): Promise<readonly Sampled[]> => {
  const params = policy.placed(upload(policy.parameters()));
  const requests = prompts.map((index) => ({
    prompt: { id: `p${index}`, prompt: promptOf(index), truth: null },
    group: `g${index}`,
    seeds: Array.from({ length: n }, (_, i) => sequenceSeed(index, i)),
  }));
  const replies: Sampled[] = [];
  for await (const reply of policy.sample(params, requests, { temperature, maxTokens })) replies.push(reply);
  return replies.sort((a, b) => a.place[0] - b.place[0] || a.place[1] - b.place[1]);
};

const upload = (params: Params<HostTensor>) =>
  Object.fromEntries(Object.entries(params).map(([k, { data, shape }]) => [k, engine.tensor(data.slice(), shape)]));

/** The trainer's log-probabilities of rows, `size` of them in a batch. */
const trainerLogp = async (
  policy: Qwen25VLPolicy,
  rows: readonly TokenRow[],
  size: number,
): Promise<Float32Array[]> => {
  const graph = engine.compile((params: Params<Tensor>, inputs: Params<Tensor>) => policy.logp(params, inputs).logp);
  const { inputs, length, starts } = policy.collate(rows, size);
  const made = await graph(policy.parameters(), inputs);
  const { data } = await engine.read(made);
  engine.dispose(made);
  await graph.dispose();
  return rows.map(({ tokens }, n) => {
    const start = n * length + (starts[n] as number);
    return (data as Float32Array).slice(start, start + tokens.length);
  });
};

const near = (got: ArrayLike<number>, wanted: ArrayLike<number>, tolerance: number): void => {
  expect(got.length).toBe(wanted.length);
  for (let i = 0; i < got.length; i++) {
    expect(Math.abs((got[i] as number) - (wanted[i] as number))).toBeLessThanOrEqual(tolerance);
  }
};

describe("qwen25vl", () => {
  it.each(["sizes", "same", "video", "text"])("%s: writes what transformers writes, token for token", async (name) => {
    const golden = goldenModel(name);
    await using policy = open(golden);
    const replies = await sampled(policy, [...golden.replies.keys()]);
    for (const [i, { reply, logp }] of golden.replies.entries()) {
      expect([...(replies[i] as Sampled).tokens]).toEqual(reply);
      near((replies[i] as Sampled).logpRollout as Float32Array, logp, 1e-4);
    }
    const rows = golden.replies.map(({ row, reply }) => ({
      promptTokens: row.tokens,
      tokens: Int32Array.from(reply),
      media: row,
    }));
    const trainer = await trainerLogp(policy, rows, rows.length);
    golden.replies.forEach(({ logp }, i) => near(trainer[i] as Float32Array, logp, 1e-4));
  });

  it("gives the entropy of every distribution: −Σ p·log p over all tokens that could have stood there", async () => {
    const golden = goldenModel("sizes");
    await using policy = open(golden, { entropy: true });
    const { row, reply } = golden.replies[0] as GoldenReply;
    const rowWith = (tokens: readonly number[]) => ({
      promptTokens: row.tokens,
      tokens: Int32Array.from(tokens),
      media: row,
    });
    const rows = [rowWith(reply), rowWith(reply.slice(0, 2))]; // the second is padded
    const graph = engine.compile((params: Params<Tensor>, inputs: Params<Tensor>) => policy.logp(params, inputs).entropy as Tensor); // prettier-ignore
    const { inputs, length, starts } = policy.collate(rows, 2);
    const made = await graph(policy.parameters(), inputs);
    const { data } = await engine.read(made);
    engine.dispose(made);
    await graph.dispose();
    const { vocabSize } = golden.config.text;
    for (const [n, t] of [
      [0, 0],
      [0, 3],
      [1, 1],
    ] as const) {
      // prettier-ignore
      const every = Array.from({ length: vocabSize }, (_, id) => rowWith([...reply.slice(0, t), id]));
      const logps = (await trainerLogp(policy, every, vocabSize)).map((logp) => logp[t] as number);
      const expected = -logps.reduce((sum, logp) => sum + Math.exp(logp) * logp, 0);
      near([data[n * length + (starts[n] as number) + t] as number], [expected], 1e-4);
    }
  });

  it("gives a row the same tokens whatever its neighbours, and the trainer's log-probabilities", async () => {
    const golden = goldenModel("sizes");
    await using policy = open(golden, { maxBatch: 8 });
    const how = { n: 3, temperature: 1, maxTokens: 20 };
    const together = await sampled(policy, [0, 1], how);
    const alone = [...(await sampled(policy, [0], how)), ...(await sampled(policy, [1], how))];
    together.forEach((reply, i) => expect(reply.tokens).toEqual((alone[i] as Sampled).tokens));
    expect(new Set(together.map(({ text }) => text)).size).toBeGreaterThan(2); // seeds differ, so do replies
    const trainer = await trainerLogp(policy, together, 8);
    together.forEach((reply, i) => near(trainer[i] as Float32Array, reply.logpRollout as Float32Array, 1e-4));
    const apart = await trainerLogp(policy, [together[4] as Sampled], 1);
    near(apart[0] as Float32Array, trainer[4] as Float32Array, 1e-4);
  });

  it("runs each distinct picture once, whoever shows it", async () => {
    const golden = goldenModel("same");
    await using policy = open(golden);
    const [first, second] = golden.replies as [GoldenReply, GoldenReply];
    const copy: QwenRow = { ...first.row, patches: (first.row.patches as Float32Array).slice() };
    const rowOf = (row: QwenRow) => ({ promptTokens: row.tokens, tokens: Int32Array.of(5, 6), media: row });
    const patches = (rows: readonly QwenRow[]): number =>
      policy.collate(rows.map(rowOf), 8).inputs["patches"]?.shape[0] ?? 0;
    const one = patches([first.row]);
    expect(one).toBe(16);
    expect(patches([first.row, copy, first.row, copy])).toBe(one);
    expect(patches([first.row, second.row, copy])).toBe(2 * one);
    const logp = await trainerLogp(policy, [rowOf(first.row), rowOf(second.row), rowOf(copy)], 4);
    near(logp[0] as Float32Array, logp[2] as Float32Array, 1e-5);
    const changed = (copy.patches as Float32Array).map((x) => x + 0.5);
    const [other] = await trainerLogp(policy, [rowOf({ ...copy, patches: changed })], 1);
    expect(Math.abs((other?.[0] as number) - (logp[0]?.[0] as number))).toBeGreaterThan(1e-3);
  });

  it.each([fullTraining, frozenVision])("learns to write from pictures: $name", async (trainable) => {
    const golden = goldenModel("same");
    await using policy = open(golden, { trainable });
    // The same words, two pictures, two replies: without the picture neither can be better than a coin.
    const row = (golden.replies[0] as GoldenReply).row;
    const shown = [0, 1].map((i): TokenRow => {
      const patches = (row.patches as Float32Array).map((x, k) => (k % 2 === i ? x : -x));
      return { promptTokens: row.tokens, tokens: Int32Array.of(20 + i, 8), media: { ...row, patches } };
    });
    const run = { batch: 2, epochs: 30, learningRate: 0.02, warmup: 0 };
    const losses: number[] = [];
    let weights: Params<HostTensor> = {};
    for await (const report of trainSft({ policy, examples: shown, run, steps: 30 })) {
      losses.push(report.loss as number);
      if (report.step === 30) ({ weights } = await report.snapshot());
    }
    expect(losses[0]).toBeGreaterThan(1);
    expect(losses.at(-1)).toBeLessThan(0.1); // a coin between the two replies would cost ln 2 / 2 = 0.35
    const all = await policy.allWeights(weights);
    const moved = (name: string): boolean =>
      (all[name] as HostTensor).data.some((x, i) => x !== golden.params[name]?.data[i]);
    expect(moved("model.layers.0.mlp.up_proj.weight")).toBe(true);
    expect(moved("visual.blocks.0.attn.qkv.weight")).toBe(trainable === fullTraining);
    expect(Object.keys(all).sort()).toEqual(Object.keys(golden.params).sort());
  });

  it("trains adapters on weights that stay where they are, and which are the reference", async () => {
    const golden = goldenModel("same");
    const lora = { rank: 2, alpha: 8 };
    await using policy = open(golden, { trainable: loraTraining(lora) });
    await using plain = open(golden);
    const fresh = policy.parameters();
    expect(Object.keys(fresh).every(isLora)).toBe(true);
    const rows = golden.replies.map(({ row, reply }): TokenRow => ({
      promptTokens: row.tokens,
      tokens: Int32Array.from(reply).slice(0, 4),
      media: row,
    }));
    const base = await trainerLogp(plain, rows, 4);
    (await trainerLogp(policy, rows, 4)).forEach((logp, n) => near(logp, base[n] as Float32Array, 1e-5));
    const examples = rows.map((row) => ({ ...row, tokens: Int32Array.of(9, 9, 9) }));
    const run = { batch: 4, epochs: 12, learningRate: 0.02, warmup: 0 };
    const losses: number[] = [];
    let weights: Params<HostTensor> = {};
    for await (const report of trainSft({ policy, examples, run })) {
      losses.push(report.loss as number);
      ({ weights } = await report.snapshot());
    }
    expect(losses.at(-1)).toBeLessThan((losses[0] as number) / 2);
    const all = await policy.allWeights(weights);
    await using merged = open(golden, { weights: mergeLora(all, all, lora) });
    await using again = open(golden, { weights: all, trainable: loraTraining(lora) });
    const [a, b] = [await trainerLogp(again, examples, 4), await trainerLogp(merged, examples, 4)];
    a.forEach((logp, n) => near(logp, b[n] as Float32Array, 1e-4));
    const greedy = await sampled(again, [0], { maxTokens: 3 });
    expect((await sampled(merged, [0], { maxTokens: 3 }))[0]?.text).toBe(greedy[0]?.text);
  });

  it("trains the vision tower over batches without pictures", async () => {
    const golden = goldenModel("text");
    await using policy = open(golden);
    const examples = golden.replies.map(({ row }) => ({ promptTokens: row.tokens, tokens: Int32Array.of(7, 8) }));
    const run = { batch: 2, epochs: 8, learningRate: 0.01, warmup: 0 };
    const losses: number[] = [];
    for await (const { loss, skippedUpdates } of trainSft({ policy, examples, run })) {
      losses.push(loss as number);
      expect(skippedUpdates).toBe(0);
    }
    expect(losses.at(-1)).toBeLessThan((losses[0] as number) / 2);
  });

  it("refuses what does not fit", async () => {
    const golden = goldenModel("same");
    expect(() => open(golden, { tokenizer: numberTokenizer(1000) })).toThrow(/vocabSize: expected at least the/);
    expect(() => open(golden, { context: 10_000 })).toThrow(/context: expected a whole number from 1 to 512/);
    const { "model.norm.weight": _norm, ...missing } = golden.params;
    expect(() => open(golden, { weights: missing })).toThrow(/model\.norm\.weight/);
    await using policy = open(golden, { context: 20 });
    await expect(sampled(policy, [0])).rejects.toThrow(/at most 20 tokens of prompt and reply/);
    await expect(policy.encode(promptOf(0), "1 2 3 4 5 6 7 8 9 10 11 12")).rejects.toThrow(/at most 20/);
    const { row } = golden.replies[0] as GoldenReply;
    const collate = (media: unknown): unknown =>
      policy.collate([{ promptTokens: row.tokens, tokens: Int32Array.of(1), media }], 1);
    expect(() => collate({ picture: "yes" })).toThrow(/row media: expected what the policy's own encode made/);
    expect(() => collate({ ...row, grids: [[1, 2, 2]], patches: new Float32Array(4 * 1176) })).toThrow(/1 pads.*got/);
    expect(() => collate({ ...row, patches: new Float32Array(7) })).toThrow(/patches: expected a multiple of 16/);
  });
});
