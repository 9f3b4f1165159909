/** Finds copies of pairs: within a data set (deduplication) and of a benchmark (decontamination). */
import { ConfigError } from "../errors.ts";
import { jaccard, type Fingerprint } from "./fingerprint.ts";
import { nearIndex } from "./near-index.ts";
import { pictureKeys, samePicture as isSamePicture } from "./pictures.ts";

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

/**
 * An empty index. Everything that is added is kept in memory: about 4 bytes per distinct word and 4 KB per pair.
 *
 * @throws ConfigError for a threshold out of range
 */
export const copyIndex = (options: CopyOptions = {}): CopyIndex => {
  const { threshold = 0.8, textAlone = 50, samePrompt = false, samePicture = false } = options;
  checkThreshold(threshold);
  const entries: Entry[] = [];
  const byHash = new Map<string, string>();
  const byText = nearIndex();
  const byPicture = new Map<string, number[]>();

  const withPicture = (print: Fingerprint): readonly number[] => {
    const keys = new Set(print.pictures.flatMap(pictureKeys));
    const likely = new Set([...keys].flatMap((key) => byPicture.get(key) ?? []));
    return [...likely].filter((at) => sharePicture(print, entries[at]!.print));
  };
  const near = (print: Fingerprint): CopyMatch | undefined => {
    const found = closest(entries, byText.candidates(print.whole), ({ print: other }) => {
      const trusted = Math.min(print.words, other.words) >= textAlone || !picturesDiffer(print, other);
      return trusted ? jaccard(print.whole, other.whole) : 0;
    });
    if (found === undefined || found.similarity < threshold) return undefined;
    return { reason: "near", of: found.entry.name, similarity: found.similarity };
  };
  const prompt = (print: Fingerprint): CopyMatch | undefined => {
    const found = closest(entries, withPicture(print), ({ print: other }) => jaccard(print.question, other.question));
    if (found === undefined || found.similarity < threshold) return undefined;
    return { reason: "prompt", of: found.entry.name, similarity: found.similarity };
  };
  const picture = (print: Fingerprint): CopyMatch | undefined => {
    const [first] = withPicture(print);
    return first === undefined ? undefined : { reason: "picture", of: entries[first]!.name, similarity: null };
  };

  return {
    get size() {
      return entries.length;
    },
    add(name, print) {
      const at = entries.push({ name, print }) - 1;
      if (!byHash.has(print.exact)) byHash.set(print.exact, name);
      byText.add(print.whole, at);
      for (const key of new Set(print.pictures.flatMap(pictureKeys))) {
        const known = byPicture.get(key);
        if (known === undefined) byPicture.set(key, [at]);
        else known.push(at);
      }
    },
    find(print) {
      const exact = byHash.get(print.exact);
      if (exact !== undefined) return { reason: "exact", of: exact, similarity: 1 };
      return near(print) ?? (samePrompt ? prompt(print) : undefined) ?? (samePicture ? picture(print) : undefined);
    },
  };
};
