/** Looks at every pair before training begins: hours into a run is a bad time to learn that one picture of thousands is broken. */
import {
  DatasetError,
  isR1Error,
  messageOf,
  r1Protocol,
  swapPair,
  throwIfAborted,
  type CallOptions,
  type JudgeProtocol,
} from "@r1reward/core";
import type { LabelledPair, PairData, PipelineModel, SkippedRow } from "./types.ts";

/** What is looked at. */
export interface ScreenOptions extends CallOptions {
  readonly model: Pick<PipelineModel, "measure" | "context"> & Partial<Pick<PipelineModel, "encode">>;
  readonly protocol?: JudgeProtocol | undefined;
  /** Tokens that a reply may need beside its prompt. */
  readonly replyTokens: number;
  /** Are the critiques to be learnt? Then each must fit as well. */
  readonly critiques?: boolean | undefined;
  /** A pair that cannot be used ends it (default), or is left out and counted. */
  readonly onBroken?: "error" | "skip" | undefined;
  /** Pairs looked at side by side; 4 by default. */
  readonly concurrency?: number | undefined;
  readonly onProgress?: ((done: number) => void) | undefined;
}

/** Both orders differ by a few tokens at most: the second is only measured when the first is this close to the end. */
const CLOSE = 32;

/** Problems of the data; everything else (a model that is missing, an abort) is nothing to skip. */
const OF_THE_DATA: readonly string[] = ["R1_MEDIA", "R1_PROMPT", "R1_DATASET", "R1_SHAPE"];

const tooLong = (tokens: number, { model, replyTokens }: ScreenOptions): string =>
  `the prompt has ${tokens} tokens, with ${replyTokens} for the reply that is over the context of ${model.context}`;

/** Fails as encoding does when the pair's critique does not fit. */
const checkCritique = async (data: PairData, pair: LabelledPair, options: ScreenOptions): Promise<void> => {
  const { model, protocol = r1Protocol, critiques } = options;
  if (critiques !== true) return;
  for (const swapped of [false, true]) {
    const reply = data.critique?.(pair, swapped) ?? null;
    if (reply === null) continue;
    await model.encode?.(protocol.prompt(swapped ? swapPair(pair) : pair), reply);
    return; // the other order is as long, but for a token or two
  }
};

/** What is wrong with a pair; `null` when it can be used. */
const problemOf = async (data: PairData, pair: LabelledPair, options: ScreenOptions): Promise<string | null> => {
  const { model, protocol = r1Protocol, replyTokens } = options;
  const room = model.context - replyTokens;
  try {
    await checkCritique(data, pair, options);
    const tokens = await model.measure(protocol.prompt(pair));
    if (tokens > room) return tooLong(tokens, options);
    if (tokens <= room - CLOSE) return null;
    const swapped = await model.measure(protocol.prompt(swapPair(pair)));
    return swapped > room ? tooLong(swapped, options) : null;
  } catch (error) {
    if (!isR1Error(error) || !OF_THE_DATA.includes(error.code)) throw error;
    return messageOf(error);
  }
};

const locationOf = (data: PairData, pair: LabelledPair) =>
  data.where?.(pair) ?? { file: data.name, field: `pair ${pair.id}` };

const nameOf = (data: PairData, pair: LabelledPair): string => {
  const { file, line, field } = locationOf(data, pair);
  return line === undefined ? `${file} ${field ?? ""}`.trim() : `${file}:${line}`;
};

/**
 * The pairs that can be used: pictures read and decoded, prompts within the context. The others are errors, or are counted in `skipped`.
 *
 * @throws DatasetError naming the row, unless `onBroken` is `skip`; also when nothing is left. AbortError
 */
export const screenPairs = async (data: PairData, options: ScreenOptions): Promise<PairData> => {
  const problems = new Map<LabelledPair, string>();
  const queue = [...data.pairs];
  const count = { done: 0 };
  const work = async (): Promise<void> => {
    for (let pair = queue.shift(); pair !== undefined; pair = queue.shift()) {
      throwIfAborted(options.signal);
      const problem = await problemOf(data, pair, options);
      if (problem !== null && options.onBroken !== "skip") {
        queue.length = 0;
        throw new DatasetError(locationOf(data, pair), problem);
      }
      if (problem !== null) problems.set(pair, problem);
      options.onProgress?.((count.done += 1));
    }
  };
  await Promise.all(Array.from({ length: options.concurrency ?? 4 }, work));
  const pairs = data.pairs.filter((pair) => !problems.has(pair));
  const skipped = data.pairs.flatMap((pair): SkippedRow[] => {
    const problem = problems.get(pair);
    return problem === undefined ? [] : [{ where: nameOf(data, pair), problem }];
  });
  if (pairs.length === 0) {
    const first = skipped[0] === undefined ? "" : `; the first: ${skipped[0].where}: ${skipped[0].problem}`;
    throw new DatasetError({ file: data.name }, `no pair can be used, ${skipped.length} were skipped${first}`);
  }
  return { ...data, pairs, skipped: [...data.skipped, ...skipped] };
};
