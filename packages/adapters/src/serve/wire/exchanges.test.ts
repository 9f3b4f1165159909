import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { send, startServer } from "../kit.test-kit.ts";
import { wireFormats } from "./index.ts";

interface Exchange {
  readonly request: { readonly method: string; readonly path: string; readonly body?: unknown };
  readonly reply: { readonly status: number; readonly body: unknown };
}
const folder = new URL("../fixtures/wire/", import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith(".json"));

it("every dialect has recorded exchanges", () => {
  expect(files.map((name) => name.slice(0, -5)).sort()).toEqual(wireFormats.map(({ name }) => name).sort());
});

/** Sums of a fit may differ in the last bits between machines. */
const rounded = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value), (_, one: unknown) => (typeof one === "number" ? Number(one.toFixed(9)) : one));

it.each(files)("%s is answered as recorded", async (name) => {
  const { groupSize, rounds } = JSON.parse(readFileSync(new URL(name, folder), "utf8")) as {
    groupSize: number;
    rounds: Exchange[][];
  };
  const server = await startServer({ groupSize, anchors: [{ text: "anchor q=2", score: 0 }] });
  try {
    for (const round of rounds) {
      const replies = await Promise.all(
        round.map(({ request: { method, path, body } }) => send(`${server.url}${path}`, body, { method })),
      );
      const got = replies.map(({ status, json }) => ({ status, body: rounded(json) }));
      expect(got).toEqual(round.map(({ reply }) => rounded(reply)));
    }
  } finally {
    await server.close();
  }
});
