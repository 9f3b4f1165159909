#!/usr/bin/env node
// How far do the texts of the shapes world give the answer away? Trains the text-only learner of the tests on many pairs.
//   node tools/shapes/text-only.mjs [--train 20000] [--test 20000] [--seed 1] [--json]
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";

const { values } = parseArgs({
  options: {
    train: { type: "string", default: "20000" },
    test: { type: "string", default: "20000" },
    seed: { type: "string", default: "1" },
    json: { type: "boolean", default: false },
  },
});

const loadKit = async () => {
  const folder = await mkdtemp(join(tmpdir(), "shapes-text-only-"));
  try {
    const outfile = join(folder, "kit.mjs");
    const entry = fileURLToPath(new URL("../../packages/core/src/shapes/text-only.test-kit.ts", import.meta.url));
    await build({ entryPoints: [entry], bundle: true, format: "esm", outfile, tsconfigRaw: {}, logLevel: "error" });
    return await import(pathToFileURL(outfile).href);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

const percent = ({ n, right }) => (100 * right) / n;

const { textOnlyAccuracy } = await loadKit();
const result = textOnlyAccuracy({ seed: Number(values.seed), train: Number(values.train), test: Number(values.test) });
if (values.json) {
  console.log(JSON.stringify(result));
} else {
  for (const [kind, hits] of [["overall", result.overall], ...Object.entries(result.byKind)]) {
    const error = 100 * Math.sqrt(0.25 / hits.n);
    console.log(`${kind.padEnd(10)} ${percent(hits).toFixed(2)} %  n=${hits.n}  standard error ${error.toFixed(2)}`);
  }
}
const worst = Math.max(
  ...[result.overall, ...Object.values(result.byKind)].map((hits) => Math.abs(percent(hits) - 50)),
);
if (worst > 3) {
  console.error(`off chance by ${worst.toFixed(2)} points: more than 3`);
  process.exitCode = 1;
}
