/**
 * Qwen's tokenizer, with one promise more: no text can become a special token.
 *
 * Tokenizers of chat models look for `<|im_end|>` and `<|image_pad|>` in whatever they are given, so a question or an
 * answer that spells one ends its own turn or takes a picture's place (transformers #29279, vLLM #57740). Here the
 * encoder is built without the added tokens: it does not know their ids. Markup gets its ids from `specialId`, by name.
 */
import { Tokenizer } from "@huggingface/tokenizers";
import { ConfigError, type Message } from "@r1reward/core";
import type { PolicyTokenizer } from "../../policy/tokenizer.ts";
import { bytesOfToken } from "./byte-level.ts";
import { chatPieces, type ChatOptions, type ChatPiece } from "./chat-template.ts";
import { checkTokenizerJson, type TokenizerJson } from "./tokenizer-json.ts";

/** Bytes of tokens to text, as they come: half a character waits for its other half. */
export interface TextStream {
  /** The text that is certain after these tokens. */
  readonly push: (tokens: Iterable<number>) => string;
  /** What is left; half a character becomes U+FFFD. */
  readonly end: () => string;
}

/** What a tokenizer of this family can do besides what every policy's can. */
export interface QwenTokenizer extends PolicyTokenizer {
  /** Ids of text. Whatever it spells, none of them is an added token. */
  readonly encodeText: (text: string) => readonly number[];
  /** Id of an added token, e.g. `<|im_start|>`. @throws ConfigError when there is none of this name */
  readonly specialId: (content: string) => number;
  /** Ids of rendered chat markup, with `padCounts[i]` pads for the i-th image or video. */
  readonly encodePieces: (pieces: readonly ChatPiece[], padCounts?: readonly number[]) => Int32Array;
  /** Text of tokens, piece by piece; special tokens and ids beyond the vocabulary are left out, as in transformers. */
  readonly stream: () => TextStream;
  /** True for every added token's id. */
  readonly isAdded: (id: number) => boolean;
}

/** Options of `qwenTokenizer`. */
export interface QwenTokenizerOptions extends Pick<ChatOptions, "defaultSystem"> {
  /** Rows of the model's embedding, when it has more than the tokenizer has tokens. */
  readonly vocabSize?: number | undefined;
  /** What ends a reply. Default `<|im_end|>` and `<|endoftext|>`, where the vocabulary has them. */
  readonly stopTokens?: readonly string[] | undefined;
}

/** The encoder without added tokens: out of its vocabulary, its splitter and its post-processor. */
const plainEncoder = (json: TokenizerJson): Tokenizer => {
  const added = new Set(json.added_tokens.map(({ content }) => content));
  const entries = Object.entries(json.model.vocab);
  const vocab = entries.some(([token]) => added.has(token))
    ? Object.fromEntries(entries.filter(([token]) => !added.has(token)))
    : json.model.vocab;
  const { normalizer = null, pre_tokenizer = null, decoder } = json;
  try {
    const model = { ...json.model, vocab };
    return new Tokenizer({ normalizer, pre_tokenizer, decoder, model, added_tokens: [], post_processor: null }, {});
  } catch (cause) {
    throw new ConfigError("tokenizer.json: expected a tokenizer that can be built", { cause });
  }
};

/** Bytes of each id, found when they are needed; `undefined` for what decodes to nothing. */
const byteReader = (json: TokenizerJson) => {
  const tokens: (string | undefined)[] = [];
  for (const [token, id] of Object.entries(json.model.vocab)) tokens[id] = token;
  const literal = new Map<number, Uint8Array | undefined>();
  for (const { id, content, special } of json.added_tokens) {
    literal.set(id, special ? undefined : new TextEncoder().encode(content));
  }
  const size = Math.max(tokens.length, ...json.added_tokens.map(({ id }) => id + 1));
  const bytesOf = (id: number): Uint8Array | undefined => {
    if (literal.has(id)) return literal.get(id);
    const token = tokens[id];
    return token === undefined ? undefined : bytesOfToken(token);
  };
  return { size, bytesOf };
};

const textStream = (bytesOf: (id: number) => Uint8Array | undefined): TextStream => {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  return {
    push: (ids) => {
      let text = "";
      for (const id of ids) {
        const bytes = bytesOf(id);
        if (bytes !== undefined) text += decoder.decode(bytes, { stream: true });
      }
      return text;
    },
    end: () => decoder.decode(),
  };
};

const stopIds = (ids: ReadonlyMap<string, number>, names: readonly string[] | undefined): readonly number[] => {
  const wanted = names ?? ["<|im_end|>", "<|endoftext|>"].filter((name) => ids.has(name));
  const missing = wanted.find((name) => !ids.has(name));
  if (missing === undefined && wanted.length > 0) return wanted.map((name) => ids.get(name)!);
  throw new ConfigError(`qwenTokenizer: stopTokens: expected added tokens, got ${missing ?? "none"}`);
};

const sizeOf = (own: number, asked: number | undefined): number => {
  if (asked === undefined || (Number.isSafeInteger(asked) && asked >= own)) return asked ?? own;
  throw new ConfigError(`qwenTokenizer: vocabSize: expected at least ${own}, got ${asked}`);
};

/** Encodes text without added tokens; that none came out is checked none the less. */
const textEncoder = (json: TokenizerJson, isAdded: (id: number) => boolean) => {
  const encoder = plainEncoder(json);
  return (text: string): readonly number[] => {
    if (text === "") return [];
    const { ids } = encoder.encode(text, { add_special_tokens: false });
    if (!ids.some(isAdded)) return ids;
    throw new ConfigError("tokenizer.json: model.vocab: expected no id of an added token");
  };
};

const pieceEncoder =
  (encodeText: (text: string) => readonly number[], specialId: (content: string) => number) =>
  (pieces: readonly ChatPiece[], padCounts: readonly number[] = []): Int32Array => {
    const ids = pieces.map((piece): Iterable<number> => {
      if (piece.kind === "text") return encodeText(piece.text);
      if (piece.kind === "special") return [specialId(piece.token)];
      const count = padCounts[piece.media];
      if (count === undefined) throw new ConfigError(`encodePieces: padCounts[${piece.media}]: expected a number`);
      return new Int32Array(count).fill(specialId(piece.token));
    });
    return Int32Array.from(ids.flatMap((some) => [...some]));
  };

const noMedia = (prompt: readonly Message[]): readonly Message[] => {
  const part = prompt.flatMap(({ content }) => content).find(({ type }) => type !== "text");
  if (part === undefined) return prompt;
  throw new ConfigError(`qwenTokenizer: a prompt with an ${part.type} needs qwenInputs, which knows how large it is`);
};

/**
 * A tokenizer from a parsed `tokenizer.json` of byte-level BPE with Qwen's chat markup among its added tokens.
 *
 * @throws ConfigError naming the field that is wrong
 */
export const qwenTokenizer = (tokenizerJson: unknown, options: QwenTokenizerOptions = {}): QwenTokenizer => {
  const json = checkTokenizerJson(tokenizerJson);
  const ids = new Map(json.added_tokens.map(({ content, id }) => [content, id]));
  const added = new Set(ids.values());
  const isAdded = (id: number): boolean => added.has(id);
  const { size, bytesOf } = byteReader(json);
  const stopTokens = stopIds(ids, options.stopTokens);
  const encodeText = textEncoder(json, isAdded);
  const specialId = (content: string): number => {
    const id = ids.get(content);
    if (id !== undefined) return id;
    throw new ConfigError(`tokenizer.json: added_tokens: expected ${content}, which is not there`);
  };
  const encodePieces = pieceEncoder(encodeText, specialId);
  return {
    vocabSize: sizeOf(size, options.vocabSize),
    stopTokens,
    encodeText,
    specialId,
    encodePieces,
    isAdded,
    encodePrompt: (prompt) => encodePieces(chatPieces(noMedia(prompt), { defaultSystem: options.defaultSystem })),
    encodeReply: (text) => Int32Array.from([...encodeText(text), stopTokens[0]!]),
    decode: (tokens) => {
      const stream = textStream(bytesOf);
      return stream.push(tokens) + stream.end();
    },
    stream: () => textStream(bytesOf),
  };
};
