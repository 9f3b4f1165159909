// Critiques of the judge that ships, one JSON line each, for tools/qwen/shipped.py.
import { deflateSync } from "node:zlib";
import { inlineMedia, judgeWith } from "../../packages/core/dist/index.js";
import { shapesDataset, shapesProtocol } from "../../packages/core/dist/shapes/index.js";
import { openLocalModel } from "../../packages/stablereinforce/dist/node/index.js";

const model = await openLocalModel("packages/cli/models/tiny", { threads: 1 });
const judge = judgeWith(model, shapesProtocol, { media: inlineMedia(), sampling: { temperature: 0, maxTokens: 176 } });
for (const { pair } of shapesDataset({ n: 32, seed: 77, split: "test", deflate: (data) => deflateSync(data) })) {
  const { text } = await judge.judge(pair);
  const [picture, words] = shapesProtocol.prompt(pair)[0].content;
  const png = Buffer.from(picture.image.bytes).toString("base64");
  console.log(JSON.stringify({ prompt: words.text, png, text }));
}
await model[Symbol.asyncDispose]();
