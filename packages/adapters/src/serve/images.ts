/**
 * Finds a prompt's images: what came with the request, then the label's JSON, then a dataset by prompt, label or id.
 * Nothing found although the prompt promises images: judged by its text, and flagged.
 */
import type { MediaSource, Part } from "@r1reward/core";
import { parseMaybe } from "./fields.ts";
import { mediaFields } from "./media.ts";
import { readPrompt } from "./prompt.ts";
import type { AskedPrompt, ResolvedQuestion } from "./types.ts";

/** One record of a dataset index. */
export interface DatasetRecord {
  readonly images: readonly MediaSource[];
  readonly reference?: string | undefined;
}

/** What an index holds. */
export interface DatasetIndexStats {
  readonly records: number;
  readonly withImages: number;
  readonly withReference: number;
  /** Ids, prompts and labels that several records share with different images or references: they find nothing. */
  readonly ambiguous: { readonly ids: number; readonly prompts: number; readonly labels: number };
}

/** Looks records up. Made by `datasetIndex`, or by hand. */
export interface DatasetIndex {
  find(prompt: AskedPrompt): DatasetRecord | undefined;
}

/** What the fields of the records are called. */
export interface DatasetIndexOptions {
  /** Default: the first of `id`, `data_id`, `uid` that a record has. */
  readonly id?: string | undefined;
  /** Default: the first of `prompt`, `question`, `problem`, `messages`, `message`. */
  readonly prompt?: string | undefined;
  /** Default: the first of `label`, `answer`, `ground_truth`, `solution`. */
  readonly label?: string | undefined;
  /** Field of a known good answer to measure lone answers against. None unless given. */
  readonly reference?: string | undefined;
}

const IDS = ["id", "data_id", "uid"];
const PROMPTS = ["prompt", "question", "problem", "messages", "message"];
const LABELS = ["label", "answer", "ground_truth", "solution"];

const pick = (record: Readonly<Record<string, unknown>>, name: string | undefined, usual: readonly string[]): unknown =>
  record[name ?? usual.find((one) => record[one] !== undefined && record[one] !== null) ?? ""];

const labelKey = (label: unknown): string | undefined =>
  label === null || label === undefined ? undefined : typeof label === "string" ? label : JSON.stringify(label);

/** Two records under one key are only an answer when they agree. */
const enter = (index: Map<string, DatasetRecord | null>, key: string | undefined, record: DatasetRecord): void => {
  if (key === undefined || key === "") return;
  const known = index.get(key);
  if (known === undefined) index.set(key, record);
  else if (known !== null && JSON.stringify(known) !== JSON.stringify(record)) index.set(key, null);
};

/**
 * An index over a dataset's records by id, prompt and label. A key that several records share, with different images, finds
 * nothing: a guess would show the judge the wrong picture.
 */
export const datasetIndex = (
  records: Iterable<Readonly<Record<string, unknown>>>,
  options: DatasetIndexOptions = {},
): DatasetIndex & { readonly stats: DatasetIndexStats } => {
  const stats = { records: 0, withImages: 0, withReference: 0 };
  const ids = new Map<string, DatasetRecord | null>();
  const prompts = new Map<string, DatasetRecord | null>();
  const labels = new Map<string, DatasetRecord | null>();
  for (const fields of records) {
    const prompt = readPrompt(pick(fields, options.prompt, PROMPTS) ?? "");
    const direct = mediaFields(fields);
    const reference = options.reference === undefined ? undefined : fields[options.reference];
    const record: DatasetRecord = {
      images: direct.length > 0 ? direct : prompt.media,
      ...(typeof reference === "string" && reference.trim() !== "" ? { reference } : {}),
    };
    stats.records += 1;
    stats.withImages += Number(record.images.length > 0);
    stats.withReference += Number(record.reference !== undefined);
    const id = pick(fields, options.id, IDS);
    enter(ids, id === undefined || id === null ? undefined : String(id), record);
    enter(prompts, prompt.text, record);
    enter(labels, labelKey(pick(fields, options.label, LABELS)), record);
  }
  const shared = (index: typeof ids): number => [...index.values()].filter((record) => record === null).length;
  return {
    stats: { ...stats, ambiguous: { ids: shared(ids), prompts: shared(prompts), labels: shared(labels) } },
    find: ({ id, text, label }) =>
      (id === undefined ? undefined : ids.get(id)) ??
      prompts.get(text) ??
      labels.get(labelKey(label) ?? "") ??
      undefined,
  };
};

const sourcesOf = (prompt: AskedPrompt, dataset: DatasetIndex | undefined): readonly MediaSource[] => {
  if (prompt.media.length > 0) return prompt.media;
  const labelled = mediaFields(parseMaybe(prompt.label));
  if (labelled.length > 0) return labelled;
  return dataset?.find(prompt)?.images ?? [];
};

/** The question with its images first, as the judge was trained on. More than `maxImages` count as none that was found. */
export const resolveQuestion = (
  prompt: AskedPrompt,
  dataset?: DatasetIndex,
  maxImages = Infinity,
): ResolvedQuestion => {
  const found = sourcesOf(prompt, dataset);
  const sources = found.length > maxImages ? [] : found;
  const images: readonly Part[] = sources.map((image) => ({ type: "image", image }));
  return {
    question: [...images, { type: "text", text: prompt.text }],
    missing: (prompt.promised > 0 || found.length > 0) && sources.length === 0,
  };
};
