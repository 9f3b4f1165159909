/** A process that uses a disk cache, for disk-cache-processes.test.ts: `node child.mjs <what> <folder> [name]`. */
import { createHash } from "node:crypto";
import { isR1Error, messageOf, type CachedReply } from "../src/index.ts";
import { diskCache } from "../src/node/disk-cache.ts";

const [, , what = "", folder = "", name = ""] = process.argv;
const keyOf = (i: number): string => createHash("sha256").update(String(i)).digest("hex");

/** Says who wrote it and how long it is, so that a reader can tell a whole one from a mixture. */
const replyOf = (writer: string, i: number, length: number): CachedReply => ({
  text: `${writer}/${i}/${length}:`.padEnd(length, `${writer}.`),
  finishReason: "stop",
  usage: { promptTokens: i, completionTokens: length },
  latencyMs: 1,
});

const tasks: Readonly<Record<string, () => Promise<unknown>>> = {
  /** Writes large entries under few keys until it is killed. */
  flood: async () => {
    const cache = await diskCache(folder);
    process.stdout.write("ready\n");
    for (let i = 0; ; i += 1) {
      await Promise.all([0, 1].map((k) => cache.set(keyOf((i * 2 + k) % 6), replyOf(name, i, 2_000_000 + i))));
    }
  },
  /** Writes 60 keys that others write too, and reads each back at once. */
  share: async () => {
    const cache = await diskCache(folder, { durable: false });
    const broken: number[] = [];
    for (let i = 0; i < 60; i += 1) {
      await cache.set(keyOf(i), replyOf(name, i, 5_000 + i));
      const found = await cache.get(keyOf(i));
      if (found?.text.length !== 5_000 + i || found.usage.promptTokens !== i) broken.push(i);
    }
    return { broken, ...cache.stats() };
  },
  /** Writes an entry that fits, then one that does not. */
  fill: async () => {
    const cache = await diskCache(folder);
    await cache.set(keyOf(1), replyOf(name, 1, 1_000));
    const failure: unknown = await cache.set(keyOf(2), replyOf(name, 2, 1_000_000)).catch((error: unknown) => error);
    return { code: isR1Error(failure) ? failure.code : "none", message: messageOf(failure), ...cache.stats() };
  },
  /** Reads and writes 2,000 entries at once. */
  burst: async () => {
    const cache = await diskCache(folder, { durable: false });
    const keys = Array.from({ length: 2_000 }, (_, i) => keyOf(i));
    await Promise.all(keys.map((key, i) => cache.set(key, replyOf(name, i, 100))));
    await Promise.all(keys.map((key) => cache.get(key)));
    return cache.stats();
  },
  /** Opens the folder and says what came of it. */
  open: async () => {
    const failure: unknown = await diskCache(folder).catch((error: unknown) => error);
    return { code: isR1Error(failure) ? failure.code : "none", message: messageOf(failure) };
  },
};

const result = await tasks[what]?.();
process.stdout.write(`${JSON.stringify(result)}\n`);
