/** A byte-level BPE tokenizer learnt from texts (arXiv 1508.07909), in the form of `tokenizer.json`: for models with fresh weights. */
import { ConfigError } from "@r1reward/core";
import { byteCharacters } from "../qwen/inputs/byte-level.ts";

/** Qwen2.5's splitter: merges never reach over what it cuts. */
const SPLIT =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const PIECES = new RegExp(
  SPLIT.replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)", "'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])"),
  "gu",
);

/** Chat markup of Qwen2.5-VL. */
export const CHAT_TOKENS = [
  "<|endoftext|>",
  "<|im_start|>",
  "<|im_end|>",
  "<|vision_start|>",
  "<|vision_end|>",
  "<|image_pad|>",
  "<|video_pad|>",
] as const;

interface Word {
  symbols: string[];
  readonly count: number;
}

const utf8 = new TextEncoder();

const wordsOf = (texts: Iterable<string>): Word[] => {
  const counts = new Map<string, number>();
  for (const text of texts)
    for (const [piece] of text.normalize("NFC").matchAll(PIECES)) counts.set(piece, (counts.get(piece) ?? 0) + 1);
  return [...counts].map(([piece, count]) => ({
    symbols: Array.from(utf8.encode(piece), (byte) => byteCharacters[byte] as string),
    count,
  }));
};

/** The most frequent pair of neighbours; of equally frequent ones the first in order of their characters. */
const bestPair = (words: readonly Word[]): readonly [string, string] | null => {
  const counts = new Map<string, number>();
  for (const { symbols, count } of words)
    for (let i = 1; i < symbols.length; i++) {
      const pair = `${symbols[i - 1]} ${symbols[i]}`;
      counts.set(pair, (counts.get(pair) ?? 0) + count);
    }
  let best: { readonly pair: string; readonly count: number } | null = null;
  for (const [pair, count] of counts) {
    if (best === null || count > best.count || (count === best.count && pair < best.pair)) best = { pair, count };
  }
  if (best === null || best.count < 2) return null;
  return best.pair.split(" ") as [string, string];
};

const mergeIn = (word: Word, [a, b]: readonly [string, string]): void => {
  const { symbols } = word;
  if (!symbols.includes(a)) return;
  const merged: string[] = [];
  for (let i = 0; i < symbols.length; i++) {
    const joins = symbols[i] === a && symbols[i + 1] === b;
    merged.push(joins ? a + b : (symbols[i] as string));
    if (joins) i += 1;
  }
  word.symbols = merged;
};

const learnMerges = (words: readonly Word[], most: number): readonly (readonly [string, string])[] => {
  const merges: (readonly [string, string])[] = [];
  while (merges.length < most) {
    const pair = bestPair(words);
    if (pair === null) break;
    merges.push(pair);
    for (const word of words) mergeIn(word, pair);
  }
  return merges;
};

/**
 * Learns a vocabulary of at most `vocabSize` tokens: 256 bytes, merges, chat markup. The same texts give the same tokenizer.
 *
 * @returns What `qwenTokenizer` takes, and what belongs into `tokenizer.json`.
 * @throws ConfigError when there is no room for bytes and markup
 */
export const trainTokenizer = (
  texts: Iterable<string>,
  { vocabSize }: { readonly vocabSize: number },
): Readonly<Record<string, unknown>> => {
  const room = vocabSize - byteCharacters.length - CHAT_TOKENS.length;
  if (!(room >= 0)) {
    const least = byteCharacters.length + CHAT_TOKENS.length;
    throw new ConfigError(`trainTokenizer vocabSize: expected at least ${least}, got ${vocabSize}`);
  }
  const merges = learnMerges(wordsOf(texts), room);
  const tokens = [...byteCharacters, ...merges.map(([a, b]) => a + b)];
  const vocab = Object.fromEntries([...new Set(tokens)].map((token, id) => [token, id]));
  const first = Object.keys(vocab).length;
  const added = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: CHAT_TOKENS.map((content, i) => ({ id: first + i, content, ...added })),
    normalizer: { type: "NFC" },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: SPLIT }, behavior: "Isolated", invert: false },
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
      ],
    },
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: "",
      end_of_word_suffix: "",
      fuse_unk: false,
      byte_fallback: false,
      vocab,
      merges: merges.map(([a, b]) => [a, b]),
    },
  };
};
