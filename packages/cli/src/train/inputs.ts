/** What a run is made from, as fingerprints in `inputs.json`: a run that goes on must have the data and the weights that it began with. */
import { createHash, type Hash } from "node:crypto";
import { ConfigError, messageOf, type CallOptions } from "@r1reward/core";
import type { LabelledPair, PairData } from "@r1reward/stablereinforce";
import { modelFingerprint } from "@r1reward/stablereinforce/node";
import { z } from "zod";
import { modelFolder } from "../bundled-models.ts";
import type { RunConfig } from "./config/schema.ts";
import type { RunData } from "./data.ts";
import { readOptional, runFiles, writeWhole, type OpenRun } from "./folder.ts";
import { picturesOf } from "./picture-marks.ts";

const side = z.object({
  pairs: z.number(),
  texts: z.string(),
  labels: z.string(),
  critiques: z.string(),
  pictures: z.string(),
  /** Which pairs reinforcement learning takes. */
  hard: z.string(),
});

const inputs = z.object({ train: side, heldOut: side.nullable(), model: z.string().nullable() });

/** Fingerprints of everything that a run is made from. */
export type RunInputs = z.infer<typeof inputs>;
type SideInputs = z.infer<typeof side>;

const digest = (hash: Hash): string => hash.digest("hex").slice(0, 32);

const hashed = (values: Iterable<unknown>): string => {
  const hash = createHash("sha256");
  for (const value of values) hash.update(`${JSON.stringify(value)}\n`);
  return digest(hash);
};

const textsOf = ({ id, group, question, responses }: LabelledPair): unknown => [
  id,
  group ?? null,
  question.map((part) => (part.type === "text" ? part.text : { media: part.type })),
  responses,
];

const sideOf = async (
  data: PairData,
  hard: PairData | null,
  how: CallOptions & { readonly config: RunConfig },
): Promise<SideInputs> => {
  const { pairs, critique } = data;
  const taken = new Set(hard?.pairs ?? []);
  return {
    pairs: pairs.length,
    texts: hashed(pairs.map(textsOf)),
    labels: hashed(pairs.map(({ human }) => human)),
    critiques: hashed(pairs.map((pair) => [critique?.(pair, false) ?? null, critique?.(pair, true) ?? null])),
    pictures: hashed(await picturesOf(pairs, how.config, how)),
    hard: hashed(pairs.map((pair) => taken.has(pair))),
  };
};

/**
 * Fingerprints of a run's data as they were read, and of the weights it begins with.
 * @throws CheckpointError when the model's folder cannot be read, AbortError
 */
export const inputsOf = async (config: RunConfig, data: RunData, call: CallOptions): Promise<RunInputs> => {
  const how = { ...call, config };
  return {
    train: await sideOf(data.train, data.hard, how),
    heldOut: data.held === null ? null : await sideOf(data.held, null, how),
    model: config.model.kind === "qwen25vl" ? await modelFingerprint(modelFolder(config.model.path), call) : null,
  };
};

const NAMES: Readonly<Record<Exclude<keyof SideInputs, "pairs">, string>> = {
  texts: "questions or responses",
  labels: "human choices",
  critiques: "critiques",
  pictures: "pictures",
  hard: "the choice of hard pairs",
};

const listed = (words: readonly string[]): string =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;

/** What of one side is not as it was. */
const sideDifference = (was: SideInputs | null, is: SideInputs | null): string | null => {
  if (was === null || is === null) return null; // settings say whether there is one, and are compared before
  if (was.pairs !== is.pairs) return `had ${was.pairs} pairs when the run began, and has ${is.pairs} now`;
  const other = (Object.keys(NAMES) as (keyof typeof NAMES)[]).filter((name) => was[name] !== is[name]);
  return other.length === 0
    ? null
    : `${listed(other.map((name) => NAMES[name]))} are not those that the run began with`;
};

const differenceOf = ({ data, model }: RunConfig, was: RunInputs, is: RunInputs): string | null => {
  const { source } = data;
  const train = source.kind === "file" ? `${source.train} (data.source.train)` : "the drawn scenes (data.source)";
  const held =
    source.kind === "file" && source.heldOut !== undefined ? `${source.heldOut} (data.source.heldOut)` : train;
  const [first, second] = [sideDifference(was.train, is.train), sideDifference(was.heldOut, is.heldOut)];
  if (first !== null) return `${train}: ${first}`;
  if (second !== null) return `${held}: held out: ${second}`;
  if (was.model === is.model || model.kind !== "qwen25vl") return null;
  return `${model.path} (model.path): weights, sizes or tokenizer are not those that the run began with`;
};

const savedInputs = async (folder: string): Promise<RunInputs | null> => {
  const { inputs: file } = runFiles(folder);
  const text = await readOptional(file);
  if (text === null) return null;
  try {
    return inputs.parse(JSON.parse(text));
  } catch (cause) {
    const damaged = cause instanceof SyntaxError ? messageOf(cause) : "other fields";
    const way = "without this file the run goes on with what there is now";
    throw new ConfigError(`${file}: expected the fingerprints of a run's data and model, got ${damaged}; ${way}`, {
      cause,
    });
  }
};

/**
 * Compares what a run goes on with, with what it began with.
 * @throws ConfigError naming what is not as it was
 */
export const checkInputs = async (
  { config, folder }: OpenRun,
  now: RunInputs,
  tell: (text: string) => void,
): Promise<void> => {
  const was = await savedInputs(folder);
  if (was === null) {
    tell("resume: this run was begun by a version that kept no fingerprints: its data and model were not compared");
    return;
  }
  const difference = differenceOf(config, was, now);
  if (difference === null) return;
  throw new ConfigError(
    `--resume ${folder}: ${difference}; a run goes on with what it began with: bring that back, or give another --out for a new run`,
  );
};

/** Keeps configuration and fingerprints in the run's folder: from now on the run has begun. @throws OutputError */
export const keepRun = async ({ config, folder }: OpenRun, now: RunInputs): Promise<void> => {
  const files = runFiles(folder);
  await writeWhole(files.inputs, `${JSON.stringify(now, null, 2)}\n`);
  await writeWhole(files.config, `${JSON.stringify(config, null, 2)}\n`);
};
