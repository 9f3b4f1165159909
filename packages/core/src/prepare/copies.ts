/** Finds copies of pairs: within a data set (deduplication) and of a benchmark (decontamination). */
import { ConfigError } from "../errors.ts";
import { jaccard, type Fingerprint } from "./fingerprint.ts";
import { nearIndex, type NearIndex } from "./near-index.ts";
import { pictureIndex, samePicture as isSamePicture, type PictureIndex } from "./pictures.ts";

/** What counts as a copy. */
export interface CopyOptions {
  /** Least share of shingles in common; 0.8 unless given, from 0.5 to 1. */
  readonly threshold?: number | undefined;
  /**
   * Texts of at least so many words are copies whatever picture they stand with; shorter ones only with the same picture, or
   * when one of the two has none. 50 unless given; `Infinity` never trusts texts alone.
   */
  readonly textAlone?: number | undefined;
  /** The same question about the same picture is a copy, whatever the responses say. Off unless asked for. */
  readonly samePrompt?: boolean | undefined;
  /** The same picture is a copy, whatever is asked. Off unless asked for. */
  readonly samePicture?: boolean | undefined;
}

/** Why a pair is a copy, the plainest reason first. */
export type CopyReason = "exact" | "near" | "prompt" | "picture";

/** The pair that another one is a copy of. */
export interface CopyMatch {
  readonly reason: CopyReason;
  /** Name of the earlier pair. */
  readonly of: string;
  /** Share of shingles in common, of the texts that were compared; 1 for `exact`, `null` for `picture`. */
  readonly similarity: number | null;
}

interface Entry {
  readonly name: string;
  readonly print: Fingerprint;
}

const checkThreshold = (threshold: number): void => {
  if (threshold >= 0.5 && threshold <= 1) return;
  throw new ConfigError(`threshold: expected a number from 0.5 to 1, got ${threshold}`);
};

const sharePicture = (a: Fingerprint, b: Fingerprint): boolean =>
  a.pictures.some((name) => b.pictures.some((other) => isSamePicture(name, other)));

/** Which pictures stand against texts being copies: both pairs have some, and none in common. */
const picturesDiffer = (a: Fingerprint, b: Fingerprint): boolean =>
  a.pictures.length > 0 && b.pictures.length > 0 && !sharePicture(a, b);

/** Remembers pairs and recognises their copies. */
export interface CopyIndex {
  /** Remembers a pair. */
  add(name: string, print: Fingerprint): void;
  /** The remembered pair that this one is a copy of, if there is one. */
  find(print: Fingerprint): CopyMatch | undefined;
  readonly size: number;
}

/** The most alike of the candidates, when it reaches the threshold. */
const closest = (
  entries: readonly Entry[],
  candidates: Iterable<number>,
  like: (entry: Entry) => number,
): { readonly entry: Entry; readonly similarity: number } | undefined => {
  let best: { entry: Entry; similarity: number } | undefined;
  for (const at of candidates) {
    const entry = entries[at]!;
    const similarity = like(entry);
    if (similarity > (best?.similarity ?? 0)) best = { entry, similarity };
  }
  return best;
};

/** What has been added so far, and the indexes that lead to it. */
interface Store {
  readonly entries: Entry[];
  readonly byHash: Map<string, string>;
  readonly byText: NearIndex;
  readonly byPicture: PictureIndex;
}

type Rule = (store: Store, print: Fingerprint) => CopyMatch | undefined;

const withPicture = ({ entries, byPicture }: Store, print: Fingerprint): readonly number[] =>
  byPicture.likely(print.pictures).filter((at) => sharePicture(print, entries[at]!.print));

const exactly: Rule = ({ byHash }, { exact }) => {
  const name = byHash.get(exact);
  return name === undefined ? undefined : { reason: "exact", of: name, similarity: 1 };
};

const nearly =
  (threshold: number, textAlone: number): Rule =>
  ({ entries, byText }, print) => {
    const found = closest(entries, byText.candidates(print.whole), ({ print: other }) => {
      const trusted = Math.min(print.words, other.words) >= textAlone || !picturesDiffer(print, other);
      return trusted ? jaccard(print.whole, other.whole) : 0;
    });
    if (found === undefined || found.similarity < threshold) return undefined;
    return { reason: "near", of: found.entry.name, similarity: found.similarity };
  };

const byPrompt =
  (threshold: number): Rule =>
  (store, print) => {
    const like = ({ print: other }: Entry): number => jaccard(print.question, other.question);
    const found = closest(store.entries, withPicture(store, print), like);
    if (found === undefined || found.similarity < threshold) return undefined;
    return { reason: "prompt", of: found.entry.name, similarity: found.similarity };
  };

const byPictureAlone: Rule = (store, print) => {
  const [first] = withPicture(store, print);
  return first === undefined ? undefined : { reason: "picture", of: store.entries[first]!.name, similarity: null };
};

/**
 * An empty index. Everything that is added is kept in memory: about 4 bytes per distinct word and 4 KB per pair.
 *
 * @throws ConfigError for a threshold out of range
 */
export const copyIndex = (options: CopyOptions = {}): CopyIndex => {
  const { threshold = 0.8, textAlone = 50, samePrompt = false, samePicture = false } = options;
  checkThreshold(threshold);
  const store: Store = { entries: [], byHash: new Map(), byText: nearIndex(), byPicture: pictureIndex() };
  const rules = [
    exactly,
    nearly(threshold, textAlone),
    ...(samePrompt ? [byPrompt(threshold)] : []),
    ...(samePicture ? [byPictureAlone] : []),
  ];
  return {
    get size() {
      return store.entries.length;
    },
    add(name, print) {
      const at = store.entries.push({ name, print }) - 1;
      if (!store.byHash.has(print.exact)) store.byHash.set(print.exact, name);
      store.byText.add(print.whole, at);
      store.byPicture.add(print.pictures, at);
    },
    find(print) {
      for (const rule of rules) {
        const match = rule(store, print);
        if (match !== undefined) return match;
      }
      return undefined;
    },
  };
};
