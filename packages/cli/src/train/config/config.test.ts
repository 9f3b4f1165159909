import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fileSchema, keysAt } from "./json-schema.ts";
import { loadRunConfig, parseRunConfig } from "./load.ts";
import { merge } from "./merge.ts";
import { presets } from "./presets.ts";
import { distance, nearest } from "./suggest.ts";

let folder: string;
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), "r1reward-config-"))));
afterEach(() => rm(folder, { recursive: true, force: true }));

const write = async (text: string, name = "run.yaml"): Promise<string> => {
  const file = join(folder, name);
  await writeFile(file, text);
  return file;
};
const load = async (text: string, set: string[] = []) => loadRunConfig({ config: await write(text), set });
/** The message of what a text fails with, without the folder. */
const problem = async (text: string, set: string[] = []): Promise<string> => {
  const error: Error = await load(text, set).then(
    () => new Error("it was accepted"),
    (reason: Error) => reason,
  );
  return error.message.replaceAll(`${folder}/`, "");
};

const FILL = "model: {kind: qwen25vl, path: m}\ndata: {source: {kind: file, train: t.jsonl}}\n";

describe("presets", () => {
  it("paper: the values of section 4", async () => {
    const { sft, rl, reward, data, protocol } = await load(`extends: paper\n${FILL}`);
    expect(sft).toMatchObject({ epochs: 1, batch: 256, learningRate: 1e-5 });
    expect(rl).toMatchObject({
      episodes: 5,
      learningRate: 1e-6,
      klCoef: 0,
      rolloutBatch: 256,
      trainBatch: 128,
      epsilon: 0.2,
    });
    expect(rl).toMatchObject({
      algorithm: "stable-reinforce",
      preClip: { deltaMin: 1e-3, deltaMax: 1e3 },
      filterSigmas: 3,
    });
    expect(reward).toMatchObject({ formatWeight: 0.5, consistencyWeight: 0.5, inconsistent: 0 });
    expect([data.source, protocol]).toMatchObject([{ minAttempts: 2 }, "r1"]);
  });

  it("script: the values of scripts/train.sh", async () => {
    const { sft, rl, reward } = await load(`extends: script\n${FILL}`);
    expect([sft, rl]).toMatchObject([null, { episodes: 1, learningRate: 3e-7, klCoef: 1e-3, maxTokens: 1024 }]);
    expect(reward.inconsistent).toBe(-1);
  });

  it("tiny is whole as it is", async () => {
    expect(await loadRunConfig({ preset: "tiny" })).toMatchObject({
      name: "tiny",
      data: { source: { kind: "shapes" } },
    });
    await expect(loadRunConfig({ preset: "tny" })).rejects.toThrow(
      '--preset: expected one of paper, script, tiny, got "tny"; did you mean "tiny"?',
    );
  });
});

describe("what is wrong, and where", () => {
  it.each<[string, string, string]>([
    [
      "a typo",
      `${FILL}rl:\n  lerningRate: 1e-5\n`,
      'run.yaml:4:3: rl.lerningRate: there is no such setting; did you mean "learningRate"?',
    ],
    [
      "a typo at the top",
      `${FILL}rewards: {}\n`,
      'run.yaml:3:1: rewards: there is no such setting; did you mean "reward"?',
    ],
    ["nothing near", `${FILL}zebra: 1\n`, "run.yaml:3:1: zebra: there is no such setting"],
    ["a wrong type", `${FILL}sft:\n  batch: many\n`, 'run.yaml:4:10: sft.batch: expected a number, got "many"'],
    ["a fraction", `${FILL}sft: {batch: 1.5}\n`, "run.yaml:3:14: sft.batch: expected a whole number, got 1.5"],
    ["out of range", `${FILL}rl: {learningRate: 0}\n`, "run.yaml:3:20: rl.learningRate: expected above 0, got 0"],
    ["too small", `${FILL}checkpoints: {every: 0}\n`, "run.yaml:3:22: checkpoints.every: expected at least 1, got 0"],
    ["too big", `${FILL}rl: {epsilon: 2}\n`, "run.yaml:3:15: rl.epsilon: expected at most 1, got 2"],
    [
      "a word",
      `${FILL}data: {onBroken: skp}\n`.replace(/data: \{source.*\n/, ""),
      'run.yaml:2:18: data.onBroken: expected one of error, skip, got "skp"; did you mean "skip"?',
    ],
    ["an algorithm", `${FILL}rl: {algorithm: stable-reinforced}\n`, 'did you mean "stable-reinforce"?'],
    [
      "a preset",
      "extends: papr\n",
      'run.yaml:1:10: extends: expected one of paper, script, tiny, got "papr"; did you mean "paper"?',
    ],
    ["a kind", "model: {kind: qwen}\n", "run.yaml:1:15: model.kind: expected"],
    [
      "a referee",
      `${FILL}reward: {referee: rul}\n`,
      'run.yaml:3:19: reward.referee: expected rule or settings by name, got "rul"; did you mean "rule"?',
    ],
    [
      "what only you can say",
      "extends: paper\nmodel: {kind: qwen25vl}\n",
      "run.yaml:2:1: model.path: expected a text, got nothing; the preset paper leaves it to you",
    ],
    ["a key twice", "seed: 1\nseed: 2\n", "run.yaml:2:1: Map keys must be unique"],
    ["no YAML", "rl: {\n", "run.yaml:2:1: "],
    ["a list", "- 1\n", "run.yaml:1:1: expected settings by name, got [1]"],
    ["a key of objects", `${FILL}constructor: 1\n`, "run.yaml:3:1: constructor: there is no such setting"],
  ])("%s", async (_name, text, message) => {
    expect(await problem(text)).toContain(message);
  });

  it("tells all problems at once", async () => {
    const lines = (await problem(`${FILL}sft: {batch: 0, epoch: 1}\nseed: x\n`)).split("\n");
    expect(lines).toHaveLength(3);
  });

  it("JSON files have lines and columns too", async () => {
    const file = await write('{\n  "extends": "tiny",\n  "rl": { "step": 3 }\n}\n', "run.json");
    await expect(loadRunConfig({ config: file })).rejects.toThrow(
      'run.json:3:11: rl.step: there is no such setting; did you mean "steps"?',
    );
    await expect(loadRunConfig({ config: join(folder, "none.yaml") })).rejects.toThrow(/--config .*none\.yaml: ENOENT/);
  });

  it("says when a setting is one of another kind, and never means the same name", async () => {
    expect(await problem(FILL, ["data.source.kinds=[a]"])).toBe(
      "--set data.source.kinds: data.source.kinds: kind file has no such setting, it is one of kind shapes",
    );
    expect(await problem("extends: tiny\n", ["data.source.pair=1"])).toMatch(/did you mean "pairs"\?$/);
    expect(await problem("extends: tiny\n", ["data.source.imageRoots=a"])).toMatch(/there is no such setting$/);
  });

  it("names the flag of a --set, and checks its value", async () => {
    expect(await problem("extends: tiny\n", ["rl.learningRat=1"])).toBe(
      '--set rl.learningRat: rl.learningRat: there is no such setting; did you mean "learningRate"?',
    );
    expect(await problem("extends: tiny\n", ["sft.batch=zero"])).toContain(
      "--set sft.batch: sft.batch: expected a number",
    );
    expect(await problem("extends: tiny\n", ["=1"])).toContain("--set: expected a path and a value");
    expect(await problem("extends: tiny\n", ["__proto__.x=1"])).toContain("--set: expected a path and a value");
  });
});

describe("laying over", () => {
  it("flags over file over preset", async () => {
    const run = await load("extends: tiny\nrl: {steps: 4, episodes: 3}\n", [
      "rl.steps=7",
      "sft=null",
      "data.source.grade=2",
    ]);
    expect(run.rl).toMatchObject({ steps: 7, episodes: 3, rolloutBatch: 32 });
    expect(run.sft).toBeNull();
    expect(run.data.source).toMatchObject({ grade: 2, pairs: 512 });
  });

  it("another kind replaces the whole, and null can be filled again", async () => {
    const text =
      "model: {kind: text, context: 99, size: {hiddenSize: 8, layers: 1, heads: 1, kvHeads: 1, intermediateSize: 8, seed: 0}}";
    expect((await load(`extends: tiny\n${text}\n`)).model).toEqual(
      expect.objectContaining({ kind: "text", context: 99 }),
    );
    expect(merge({ a: null }, { a: { b: 1 } })).toEqual({ a: { b: 1 } });
    expect(merge({ a: [1, 2] }, { a: [3] })).toEqual({ a: [3] });
  });

  it("what is kept in the run's folder is read back as it was", async () => {
    const run = await load("extends: tiny\n");
    const kept = JSON.stringify(run, null, 2);
    expect(parseRunConfig("config.json", kept)).toEqual(run);
    expect(parseRunConfig("config.json", kept, ["rl.steps=3"]).rl).toEqual({ ...run.rl, steps: 3 });
    expect(() => parseRunConfig("config.json", kept, ["rl.steps=x"])).toThrow("--set rl.steps: rl.steps: expected");
  });
});

describe("the published schema", () => {
  it("is the one that files are checked with (packages/cli/schema/run.schema.json; `npm run schema -w @r1reward/cli`)", async () => {
    const file = fileURLToPath(new URL("../../../schema/run.schema.json", import.meta.url));
    expect(JSON.parse(await readFile(file, "utf8"))).toEqual(JSON.parse(JSON.stringify(fileSchema())));
  });

  it("knows every key of every preset", () => {
    const visit = (value: unknown, path: string[]): void => {
      if (typeof value !== "object" || value === null || Array.isArray(value)) return;
      for (const [key, inner] of Object.entries(value)) {
        expect(keysAt(path), path.join(".")).toContain(key);
        visit(inner, [...path, key]);
      }
    };
    for (const preset of Object.values(presets)) visit(preset, []);
  });
});

describe("did you mean", () => {
  it("golden", () => {
    expect([distance("kitten", "sitting"), distance("ab", "ba"), distance("", "abc")]).toEqual([3, 1, 3]);
    expect(nearest("learning_rate", ["learningRate", "batch"])).toBe("learningRate");
    expect(nearest("x", ["learningRate"])).toBeNull();
  });

  it("is symmetric, zero only for the same, and never larger than the longer word", () => {
    const word = fc.string({ maxLength: 12 });
    fc.assert(
      fc.property(word, word, (a, b) => {
        expect(distance(a, b)).toBe(distance(b, a));
        expect(distance(a, b) === 0).toBe(a === b);
        expect(distance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
    );
  });
});
