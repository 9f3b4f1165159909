/**
 * Training byte-level BPE with Qwen's pre-tokenizer: the vocabulary of a judge small enough to be shipped.
 *
 * The merges are those of Hugging Face's `BpeTrainer`: at each step the pair of neighbours that occurs most often, of
 * equals the one with the lower ids. The ids of bytes are those of Qwen (`!` is 0); added tokens come after the merges.
 */
import { Tokenizer } from "@huggingface/tokenizers";
import { ConfigError } from "@r1reward/core";
import { byteCharacters } from "./byte-level.ts";
import type { AddedToken, TokenizerJson } from "./tokenizer-json.ts";

/** Options of `trainBpe`. */
export interface TrainBpeOptions {
  /** Tokens in all: 256 bytes, merges, and the special tokens. Fewer when the texts have no more pairs. */
  readonly vocabSize: number;
  /** Added after the merges, in this order. Default: what Qwen2.5-VL's chat template needs. */
  readonly specialTokens?: readonly string[] | undefined;
  /** A pair seen less often is not merged. Default 2. */
  readonly minFrequency?: number | undefined;
}

/** The markup of Qwen2.5-VL's chats, in the order of its ids. */
export const qwenSpecialTokens: readonly string[] = [
  "<|endoftext|>",
  "<|im_start|>",
  "<|im_end|>",
  "<|vision_start|>",
  "<|vision_end|>",
  "<|vision_pad|>",
  "<|image_pad|>",
  "<|video_pad|>",
];

/** How Qwen2 splits text before its merges. */
export const QWEN_PATTERN = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

const BYTE_LEVEL = { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false };

const tokenizerFile = (
  vocab: Readonly<Record<string, number>>,
  merges: readonly string[],
  added: readonly AddedToken[],
): TokenizerJson => ({
  version: "1.0",
  truncation: null,
  padding: null,
  added_tokens: added.map((token) => ({
    ...token,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
  })),
  normalizer: { type: "NFC" },
  pre_tokenizer: {
    type: "Sequence",
    pretokenizers: [
      { type: "Split", pattern: { Regex: QWEN_PATTERN }, behavior: "Isolated", invert: false },
      BYTE_LEVEL,
    ],
  },
  post_processor: BYTE_LEVEL,
  decoder: BYTE_LEVEL,
  model: {
    type: "BPE",
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: "",
    end_of_word_suffix: "",
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    vocab,
    merges,
  },
});

/** Characters of bytes in the order of their ids: by code point, which is GPT-2's order. */
const alphabet = [...byteCharacters].sort((a, b) => a.charCodeAt(0) - b.charCodeAt(0));

/** Without a prototype: `__proto__` is a token like any other. */
const byteVocab = (): Record<string, number> => {
  const vocab = Object.create(null) as Record<string, number>;
  alphabet.forEach((character, id) => (vocab[character] = id));
  return vocab;
};

/** A pre-token that occurs in the texts. */
interface Word {
  symbols: number[];
  readonly count: number;
}

/** Splits texts with the very splitter that will encode them. */
const countWords = (texts: Iterable<string>, vocab: Readonly<Record<string, number>>): Word[] => {
  const { normalizer, pre_tokenizer: split } = new Tokenizer(tokenizerFile(vocab, [], []), {});
  const counts = new Map<string, number>();
  for (const text of texts) {
    if (text === "") continue;
    for (const word of split!(normalizer!(text))) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return [...counts].map(([word, count]) => ({ symbols: [...word].map((c) => vocab[c]!), count }));
};

/** Two ids as one number; ids stay below 2^24. */
const ID_SPAN = 2 ** 24;
const pairKey = (left: number, right: number): number => left * ID_SPAN + right;

/** How often each pair of neighbours occurs, and in which words it did. */
interface Pairs {
  readonly counts: Map<number, number>;
  readonly words: Map<number, Set<number>>;
}

const addPairs = ({ counts, words }: Pairs, word: Word, index: number, sign: 1 | -1): void => {
  for (let i = 0; i + 1 < word.symbols.length; i++) {
    const key = pairKey(word.symbols[i]!, word.symbols[i + 1]!);
    counts.set(key, (counts.get(key) ?? 0) + sign * word.count);
    if (sign < 0) continue;
    const where = words.get(key);
    if (where === undefined) words.set(key, new Set([index]));
    else where.add(index);
  }
};

/** The most frequent pair; of equals the one with the lower ids. */
const bestPair = ({ counts }: Pairs, least: number): number | undefined => {
  let best: number | undefined;
  let most = least;
  for (const [key, count] of counts) {
    if (count < most || (count === most && best !== undefined && key > best)) continue;
    best = key;
    most = count;
  }
  return best;
};

/** Replaces each pair in a word, from left to right. */
const mergeIn = (symbols: readonly number[], [left, right]: readonly [number, number], merged: number): number[] => {
  const result: number[] = [];
  for (let i = 0; i < symbols.length; i++) {
    const isPair = symbols[i] === left && symbols[i + 1] === right;
    result.push(isPair ? merged : symbols[i]!);
    if (isPair) i++;
  }
  return result;
};

const mergeEverywhere = (pairs: Pairs, words: readonly Word[], key: number, merged: number): void => {
  const pair = [Math.floor(key / ID_SPAN), key % ID_SPAN] as const;
  for (const index of pairs.words.get(key) ?? []) {
    const word = words[index]!;
    addPairs(pairs, word, index, -1);
    word.symbols = mergeIn(word.symbols, pair, merged);
    addPairs(pairs, word, index, 1);
  }
  pairs.counts.delete(key);
  pairs.words.delete(key);
};

interface Merges {
  readonly vocab: Record<string, number>;
  readonly merges: string[];
}

const findMerges = (texts: Iterable<string>, size: number, minFrequency: number): Merges => {
  const vocab = byteVocab();
  const tokens = [...alphabet];
  const words = countWords(texts, vocab);
  const pairs: Pairs = { counts: new Map(), words: new Map() };
  words.forEach((word, index) => addPairs(pairs, word, index, 1));
  const merges: string[] = [];
  while (tokens.length < size) {
    const key = bestPair(pairs, minFrequency);
    if (key === undefined) break;
    const [left, right] = [tokens[Math.floor(key / ID_SPAN)]!, tokens[key % ID_SPAN]!];
    merges.push(`${left} ${right}`);
    // Two merges can spell the same token ("a"+"bc", "ab"+"c"): then it keeps its first id.
    if (!Object.hasOwn(vocab, left + right)) {
      vocab[left + right] = tokens.length;
      tokens.push(left + right);
    }
    mergeEverywhere(pairs, words, key, vocab[left + right]!);
  }
  return { vocab, merges };
};

const checkSpecials = (tokens: readonly string[]): void => {
  const bad = tokens.find((token, i) => token === "" || tokens.indexOf(token) !== i);
  if (bad !== undefined)
    throw new ConfigError(`trainBpe: specialTokens: expected distinct texts, got ${JSON.stringify(bad)}`);
};

/**
 * Learns merges from texts and gives a complete `tokenizer.json`, which `qwenTokenizer` and Hugging Face's tokenizers load.
 * The same texts give the same file, in whatever order they come.
 *
 * @throws ConfigError when the options leave no room for 256 bytes and the special tokens
 */
export const trainBpe = (texts: Iterable<string>, options: TrainBpeOptions): TokenizerJson => {
  const { vocabSize, specialTokens = qwenSpecialTokens, minFrequency = 2 } = options;
  checkSpecials(specialTokens);
  const least = 256 + specialTokens.length;
  if (!(Number.isSafeInteger(vocabSize) && vocabSize >= least && vocabSize < ID_SPAN)) {
    throw new ConfigError(`trainBpe: vocabSize: expected at least ${least}, got ${vocabSize}`);
  }
  if (!(Number.isSafeInteger(minFrequency) && minFrequency > 0)) {
    throw new ConfigError(`trainBpe: minFrequency: expected a positive integer, got ${minFrequency}`);
  }
  const { vocab, merges } = findMerges(texts, vocabSize - specialTokens.length, minFrequency);
  const base = Object.keys(vocab).length;
  return tokenizerFile(
    vocab,
    merges,
    specialTokens.map((content, i) => ({ id: base + i, content, special: true })),
  );
};
