import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ConfigError, DatasetError } from "../errors.ts";
import type { Preference } from "../types.ts";
import { preferencesFromRows } from "./read.ts";
import { defineSchemaFormat } from "./schema-format.ts";

const chats = defineSchemaFormat({
  name: "chats",
  schema: z.object({
    ticket: z.coerce.string(),
    ask: z.string(),
    replies: z.object({ a: z.string(), b: z.string() }),
    better: z.enum(["a", "b"]).optional(),
  }),
  toPreferences: ({ ticket, ask, replies, better }): readonly Preference[] => [
    {
      id: ticket,
      question: [{ type: "text", text: ask }],
      responses: [replies.a, replies.b],
      human: better === undefined ? undefined : better === "a" ? 0 : 1,
    },
  ],
});

const good = { ticket: 7, ask: "Why?", replies: { a: "Because.", b: "No idea." }, better: "a" };
const read = async (...rows: unknown[]): Promise<Preference[]> => {
  const lines = async function* () {
    for (const [i, value] of rows.entries()) yield { line: i + 1, value };
  };
  const pairs: Preference[] = [];
  for await (const pair of preferencesFromRows({ file: "chats.jsonl", rows: lines() }, { format: chats }))
    pairs.push(pair);
  return pairs;
};

describe("defineSchemaFormat", () => {
  it("hands over what the schema puts out", async () => {
    expect(await read(good)).toEqual([
      { id: "7", question: [{ type: "text", text: "Why?" }], responses: ["Because.", "No idea."], human: 0 },
    ]);
  });

  it("names file, line and the path of the field that is wrong", async () => {
    const error = await read(good, { ...good, replies: { a: "Because.", b: 3 } }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(DatasetError);
    expect(error).toMatchObject({ file: "chats.jsonl", line: 2, field: "replies.b" });
    expect((error as Error).message).toMatch(/expected string/i);
  });

  it("counts further problems", async () => {
    await expect(read({ ticket: 1 })).rejects.toThrow(/chats\.jsonl:1: ask: .*\(and 1 more\)/);
  });

  it("recognises its rows", () => {
    expect(chats.detect(good)).toBe(true);
    expect(chats.detect({ id: "1" })).toBe(false);
  });

  it("refuses a schema that cannot answer at once", async () => {
    const later = defineSchemaFormat({
      name: "later",
      schema: z.object({}).refine(async () => true),
      toPreferences: () => [],
    });
    const rows = (async function* () {
      yield { line: 1, value: {} };
    })();
    const reading = async () => {
      for await (const pair of preferencesFromRows({ file: "x", rows }, { format: later })) void pair;
    };
    await expect(reading()).rejects.toThrow(ConfigError);
  });
});
