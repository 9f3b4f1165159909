import { sha256 } from "../../hash.ts";
import type { CachedReply, ResponseCache } from "../../interfaces.ts";
import { type ContractCheck, expectSame, expectThat } from "./check.ts";

/** What the checks of a cache need. */
export interface ResponseCacheContract {
  /** An empty cache. Called for every check, which disposes of it. */
  readonly create: () => ResponseCache | Promise<ResponseCache>;
}

const KEYS = ["a", "b", "c"].map((name) => sha256(name)) as [string, string, string];

const reply = (text: string): CachedReply => ({
  text,
  finishReason: "stop",
  usage: { promptTokens: 12, completionTokens: null },
  logps: [{ token: "1", logp: -0.25, top: [{ token: "2", logp: -1.5 }] }],
  latencyMs: 1.5,
});

const RICH = reply("<think>\u0000 ünï 漢字 🙂 \ud800 \u2028</think>\n<answer>1</answer>");

const using = (create: ResponseCacheContract["create"], work: (cache: ResponseCache) => Promise<void>) => async () => {
  const cache = await create();
  try {
    await work(cache);
  } finally {
    await cache[Symbol.asyncDispose]();
  }
};

const sharedKey = async (cache: ResponseCache): Promise<void> => {
  const texts = Array.from({ length: 20 }, (_, i) => `${i}:`.repeat(200 + i));
  const writes = texts.map((text) => cache.set(KEYS[0], reply(text)));
  const reads = texts.map(() => cache.get(KEYS[0]));
  await Promise.all(writes);
  for (const found of [...(await Promise.all(reads)), await cache.get(KEYS[0])]) {
    expectThat(found === undefined || texts.includes(found.text), "get: expected nothing, or a reply that was stored");
  }
  expectThat((await cache.get(KEYS[0])) !== undefined, "get after set: expected a reply");
};

/** What every `ResponseCache` promises, as checks for any test runner. */
export const responseCacheContract = ({ create }: ResponseCacheContract): ContractCheck[] => [
  {
    name: "finds nothing that was not stored, and counts the miss",
    run: using(create, async (cache) => {
      expectThat((await cache.get(KEYS[0])) === undefined, "get: expected undefined");
      expectSame(cache.stats(), { hits: 0, misses: 1, corrupt: 0, writes: 0, writeErrors: 0 }, "stats");
    }),
  },
  {
    name: "gives back what was stored, to the last character, and counts it",
    run: using(create, async (cache) => {
      await cache.set(KEYS[0], RICH);
      expectSame(await cache.get(KEYS[0]), RICH, "reply");
      expectSame(cache.stats(), { hits: 1, misses: 0, corrupt: 0, writes: 1, writeErrors: 0 }, "stats");
    }),
  },
  {
    name: "keeps keys apart, and the last reply of each",
    run: using(create, async (cache) => {
      await cache.set(KEYS[0], reply("old"));
      await cache.set(KEYS[1], reply("other"));
      await cache.set(KEYS[0], reply("new"));
      expectSame((await cache.get(KEYS[0]))?.text, "new", "first key");
      expectSame((await cache.get(KEYS[1]))?.text, "other", "second key");
      expectThat((await cache.get(KEYS[2])) === undefined, "third key: expected undefined");
    }),
  },
  { name: "shows whole replies only while one key is written twenty times at once", run: using(create, sharedKey) },
  {
    name: "can be disposed of twice",
    run: using(create, async (cache) => {
      await cache.set(KEYS[0], RICH);
      await cache[Symbol.asyncDispose]();
    }),
  },
];
