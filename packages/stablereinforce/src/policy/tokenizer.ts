/** Text to token ids and back. */
import { ConfigError, type Message } from "@r1reward/core";

/** What a policy on text needs of a tokenizer. */
export interface PolicyTokenizer {
  readonly vocabSize: number;
  /** A prompt's ids, chat template included. At least one. */
  readonly encodePrompt: (prompt: readonly Message[]) => Int32Array;
  /** A reply's ids with the stop token at the end: what supervised training learns to write. */
  readonly encodeReply: (text: string) => Int32Array;
  /** A reply's text, without the stop token. */
  readonly decode: (tokens: Int32Array) => string;
  /** A reply ends with any of these. */
  readonly stopTokens: readonly number[];
}

/** The text of messages, one after another; pictures and videos are not text. */
const textOf = (prompt: readonly Message[]): string =>
  prompt
    .flatMap(({ content }) =>
      content.map((part) => {
        if (part.type === "text") return part.text;
        throw new ConfigError(`characterTokenizer: expected text, got a part of type ${part.type}`);
      }),
    )
    .join("");

/**
 * One token for each character of an alphabet, after token 0 (start) and token 1 (stop). For small experiments.
 * @throws ConfigError when a character occurs twice in the alphabet, or a text has one that is not in it
 */
export const characterTokenizer = (alphabet: string): PolicyTokenizer => {
  const characters = [...alphabet];
  const ids = new Map(characters.map((character, i) => [character, i + 2]));
  if (ids.size !== characters.length) throw new ConfigError("characterTokenizer: expected each character once");
  const idsOf = (text: string): number[] =>
    [...text].map((character) => {
      const id = ids.get(character);
      if (id !== undefined) return id;
      throw new ConfigError(`characterTokenizer: ${JSON.stringify(character)} is not in the alphabet`);
    });
  return {
    vocabSize: characters.length + 2,
    encodePrompt: (prompt) => Int32Array.from([0, ...idsOf(textOf(prompt))]),
    encodeReply: (text) => Int32Array.from([...idsOf(text), 1]),
    decode: (tokens) =>
      Array.from(tokens)
        .filter((id) => id > 1)
        .map((id) => characters[id - 2] ?? "")
        .join(""),
    stopTokens: [1],
  };
};
