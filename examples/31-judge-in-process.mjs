/**
 * A judge without a server: Qwen2.5-VL from a folder, in this process. Here the weights are fresh, so that nothing has to be
 * downloaded: what it writes cannot be read, and is counted as that. With a trained folder the same lines judge.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import { inlineMedia, judgeWith } from "@r1reward/core";
import { shapesDataset, shapesProtocol } from "@r1reward/core/shapes";
import { createEngine } from "@r1reward/stablereinforce";
import { freshQwen, openLocalModel } from "@r1reward/stablereinforce/node";

const pairs = [...shapesDataset({ n: 8, seed: 1, deflate: (data) => deflateSync(data) })].map(({ pair }) => pair);
const folder = await mkdtemp(join(tmpdir(), "judge-"));
const engine = await createEngine();

// A folder as transformers and vLLM load it.
const size = { hiddenSize: 64, layers: 2, heads: 4, kvHeads: 2, intermediateSize: 128, context: 512 };
const vision = { visionHiddenSize: 32, visionDepth: 2, visionHeads: 2, visionIntermediateSize: 64 };
const texts = pairs.flatMap(({ question, responses }) => [
  ...question.flatMap((part) => (part.type === "text" ? [part.text] : [])),
  ...responses,
]);
const made = freshQwen({ engine, size: { ...size, ...vision }, texts, vocabSize: 400 });
await made.save(join(folder, "tiny"), made.policy.parameters());
await made[Symbol.asyncDispose]();

// Calls that come together are decoded together; both orders of a pair share its picture, which is looked at once.
const model = await openLocalModel(join(folder, "tiny"), { engine });
const sampling = { temperature: 0, maxTokens: 24 };
const judge = judgeWith(model, shapesProtocol, { media: inlineMedia(), sampling });
const judgments = await Promise.all(
  pairs.flatMap((pair) => [false, true].map((swapped) => judge.judge(pair, { swapped }))),
);
const unreadable = judgments.filter(({ verdict }) => verdict.kind === "unreadable").length;
console.log(`${judge.name} (${model.revision}): ${judgments.length} critiques, ${unreadable} unreadable`);
console.log(model.stats());

await model[Symbol.asyncDispose]();
await engine[Symbol.asyncDispose]();
await rm(folder, { recursive: true });
