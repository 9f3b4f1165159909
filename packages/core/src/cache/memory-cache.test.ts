import { expect, test } from "vitest";
import { ConfigError } from "../errors.ts";
import { responseCacheContract } from "../testing/contracts/index.ts";
import type { Completion } from "../types.ts";
import { memoryCache } from "./memory-cache.ts";

const reply = (text: string): Completion => ({
  text,
  finishReason: "stop",
  usage: { promptTokens: null, completionTokens: null },
  latencyMs: 0,
});

for (const { name, run } of responseCacheContract({ create: () => memoryCache() })) test(`contract: ${name}`, run);

test("the least recently used reply makes room", async () => {
  const cache = memoryCache({ maxEntries: 2 });
  await cache.set("a", reply("a"));
  await cache.set("b", reply("b"));
  await cache.get("a"); // now b is the one not used for longest
  await cache.set("c", reply("c"));
  const texts = await Promise.all(["a", "b", "c"].map(async (key) => (await cache.get(key))?.text));
  expect(texts).toEqual(["a", undefined, "c"]);
});

test("storing again makes no second entry", async () => {
  const cache = memoryCache({ maxEntries: 2 });
  for (const key of ["a", "b", "b", "b"]) await cache.set(key, reply(key));
  expect((await cache.get("a"))?.text).toBe("a");
});

test.each([0, -1, 1.5, Number.NaN])("maxEntries %s is refused", (maxEntries) => {
  expect(() => memoryCache({ maxEntries })).toThrow(ConfigError);
});
