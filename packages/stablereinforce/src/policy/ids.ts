/** Token ids of rows, looked at before they become tensors: on a graph's side an id without a row is an error at best. */
import { ConfigError } from "@r1reward/core";
import type { TokenRow } from "./types.ts";

const checkTokens = (tokens: Int32Array, vocabSize: number, place: () => string): void => {
  for (let i = 0; i < tokens.length; i++) {
    const id = tokens[i] as number;
    if (id >= 0 && id < vocabSize) continue;
    const padding = id < 0 ? " (leave padding out: collate pads)" : "";
    throw new ConfigError(`${place()} token ${i}: expected an id from 0 to ${vocabSize - 1}, got ${id}${padding}`);
  }
};

/**
 * Checks that the model has every token of every row.
 * @throws ConfigError naming the row, the part of it and the token's place
 */
export const checkRows = (rows: readonly TokenRow[], vocabSize: number): void =>
  rows.forEach(({ promptTokens, tokens }, n) => {
    checkTokens(promptTokens, vocabSize, () => `row ${n} prompt`);
    checkTokens(tokens, vocabSize, () => `row ${n} reply`);
  });
