/** What is read out of a `tokenizer.json` (Hugging Face tokenizers), checked before anything is built from it. */
import { ConfigError } from "@r1reward/core";
import { byteCharacters } from "./byte-level.ts";

/** A token outside of the merges: chat markup. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
}

/** A byte-level BPE tokenizer file. */
export interface TokenizerJson {
  readonly added_tokens: readonly AddedToken[];
  readonly model: {
    readonly type: string;
    readonly vocab: Readonly<Record<string, number>>;
    readonly merges: readonly (string | readonly [string, string])[];
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

type Fields = Readonly<Record<string, unknown>>;

const isRecord = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const MAX_ID = 2 ** 24;
const isId = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < MAX_ID;

const expect: (isTrue: boolean, field: string, expected: string) => asserts isTrue = (isTrue, field, expected) => {
  if (!isTrue) throw new ConfigError(`tokenizer.json: ${field}: expected ${expected}`);
};

const addedToken = (value: unknown, i: number): AddedToken => {
  const field = `added_tokens[${i}]`;
  expect(isRecord(value), field, "an object");
  const { id, content, special } = value;
  expect(isId(id), `${field}.id`, "a token id");
  expect(typeof content === "string" && content !== "", `${field}.content`, "a text that is not empty");
  return { id, content, special: special === true };
};

/** Byte-level BPE is the one kind whose pieces are bytes; the others would decode to something else. */
const checkKind = (json: Fields, model: Fields): void => {
  expect(model["type"] === "BPE", "model.type", "BPE");
  expect(Array.isArray(model["merges"]), "model.merges", "a list");
  for (const name of ["continuing_subword_prefix", "end_of_word_suffix"]) {
    expect([undefined, null, ""].includes(model[name] as string), `model.${name}`, "nothing");
  }
  expect([undefined, null, 0].includes(model["dropout"] as number), "model.dropout", "nothing");
  expect(isRecord(json["decoder"]) && json["decoder"]["type"] === "ByteLevel", "decoder.type", "ByteLevel");
};

/** A missing byte or the missing result of a merge would drop text without a word. */
const checkComplete = (vocab: Fields, merges: readonly unknown[]): void => {
  for (const character of byteCharacters) {
    expect(Object.hasOwn(vocab, character), "model.vocab", `a token for each byte, and ${character} is missing`);
  }
  merges.forEach((merge, i) => {
    const pair: unknown = typeof merge === "string" ? merge.split(" ") : merge;
    const isPair = Array.isArray(pair) && pair.length === 2 && pair.every((side) => typeof side === "string");
    expect(isPair && Object.hasOwn(vocab, pair.join("")), `model.merges[${i}]`, "two tokens that make a third");
  });
};

/**
 * Checks a parsed `tokenizer.json`.
 *
 * @throws ConfigError naming the field
 */
export const checkTokenizerJson = (value: unknown): TokenizerJson => {
  expect(isRecord(value), "file", "an object");
  const { model, added_tokens: added = [] } = value;
  expect(isRecord(model), "model", "an object");
  checkKind(value, model);
  const { vocab } = model;
  expect(isRecord(vocab), "model.vocab", "an object");
  for (const [token, id] of Object.entries(vocab)) {
    expect(isId(id), `model.vocab[${JSON.stringify(token)}]`, "a token id");
  }
  checkComplete(vocab, model["merges"] as readonly unknown[]);
  expect(Array.isArray(added), "added_tokens", "a list");
  return { ...value, added_tokens: added.map(addedToken) } as unknown as TokenizerJson;
};
