import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { CallOptions } from "../interfaces.ts";
import { longerJudge } from "../baselines.ts";
import type { Sample } from "../types.ts";
import { defineGroupReward, defineReward } from "./define.ts";
import { pairwiseReward } from "./pairwise.ts";
import { rate, rateGroups, rateStream } from "./rate.ts";

const sample = (id: string): Sample => ({ id, prompt: [], text: id, finishReason: "stop", truth: null });
const samples = Array.from({ length: 12 }, (_, i) => sample(String(i)));
const turns = async (n: number) => {
  for (let turn = 0; turn < n; turn++) await Promise.resolve();
};
const number = defineReward({ name: "number", score: ({ id }) => Number(id) });
/** Counts how many are scored at once, and remembers the signals. */
const watched = (delay: (id: string) => number = () => 3) => {
  const seen = { now: 0, most: 0, started: [] as string[], signals: [] as (AbortSignal | undefined)[] };
  const reward = {
    name: "watched",
    async score({ id }: Sample, { signal }: CallOptions = {}) {
      seen.most = Math.max(seen.most, ++seen.now);
      seen.started.push(id);
      seen.signals.push(signal);
      await turns(delay(id));
      seen.now -= 1;
      return Number(id);
    },
  };
  return { reward, seen };
};
const never = { name: "never", score: () => new Promise<number>(() => undefined) };
const failing = defineReward({
  name: "failing",
  score: ({ id }) => {
    if (id === "3") throw new Error("three");
    return Number(id);
  },
});

describe("rate", () => {
  test("keeps the order whatever finishes first, within the limit", async () => {
    await fc.assert(
      fc.asyncProperty(fc.func(fc.nat(30)), fc.integer({ min: 1, max: 5 }), async (delay, concurrency) => {
        const { reward, seen } = watched(delay);
        const rewards = await rate(reward, samples, { concurrency });
        expect(rewards.map(({ value }) => value)).toEqual(samples.map((_, i) => i));
        expect(seen.most).toBeLessThanOrEqual(concurrency);
      }),
      { numRuns: 40 },
    );
    expect(await rate(number, [])).toEqual([]);
  });

  test("the first failure ends it and aborts the rest", async () => {
    const signals: (AbortSignal | undefined)[] = [];
    const reward = defineReward({
      name: "mixed",
      score: ({ id }, { signal } = {}) => {
        signals.push(signal);
        if (id === "1") throw new Error("no");
        return new Promise<number>(() => undefined);
      },
    });
    await expect(rate(reward, samples, { concurrency: 3 })).rejects.toMatchObject({ reward: "mixed", sampleId: "1" });
    await turns(20);
    expect(signals).toHaveLength(3);
    expect(signals.every((signal) => signal?.aborted)).toBe(true);
  });

  test("onError names the reward of a failed sample, and must name one", async () => {
    const errors: string[] = [];
    const onError = (error: Error, { id }: Sample) => (errors.push(`${id}: ${error.message}`), null);
    const rewards = await rate(failing, samples.slice(2, 5), { onError });
    expect(rewards.map(({ value }) => value)).toEqual([2, null, 4]);
    expect(errors).toEqual([expect.stringContaining("three")]);
    await expect(rate(failing, samples, { onError: () => NaN })).rejects.toMatchObject({ code: "R1_REWARD" });
  });

  test("aborting ends it at once, even if the function ignores it; it is no failure", async () => {
    const controller = new AbortController();
    const rating = rate(never, samples, { signal: controller.signal, onError: () => 0 });
    await turns(5);
    controller.abort();
    await expect(rating).rejects.toMatchObject({ code: "R1_ABORTED" });
    await expect(rate(number, samples, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "R1_ABORTED" });
    await expect(rate(number, samples, { concurrency: 0 })).rejects.toThrow("concurrency");
  });

  test("groups keep their order too", async () => {
    const size = defineGroupReward({ name: "size", scoreGroup: (group) => group.map(() => group.length) });
    const rewards = await rateGroups(size, [samples.slice(0, 2), [], samples.slice(2, 5)], { concurrency: 1 });
    expect(rewards.map((group) => group.map(({ value }) => value))).toEqual([[2, 2], [], [3, 3, 3]]);
  });
});

describe("rateStream", () => {
  test("yields in order, no further ahead than allowed", async () => {
    const { reward, seen } = watched((id) => 12 - Number(id));
    const ids: string[] = [];
    for await (const { sample: one, reward: rated } of rateStream(reward, samples, { concurrency: 3 })) {
      ids.push(one.id);
      expect(rated.value).toBe(Number(one.id));
      expect(seen.started.length).toBeLessThanOrEqual(ids.length + 3);
    }
    expect(ids).toEqual(samples.map(({ id }) => id));
    expect(seen.most).toBe(3);
  });

  test("a slow source does not hold back what is finished", async () => {
    async function* source() {
      yield sample("1");
      await new Promise(() => undefined);
    }
    const stream = rateStream(number, source());
    expect((await stream.next()).value).toMatchObject({ reward: { value: 1 } });
    await stream.return();
  });

  test("leaving the loop aborts what is under way and closes the source", async () => {
    let closed = false;
    function* source() {
      try {
        yield* samples;
      } finally {
        closed = true;
      }
    }
    const { reward, seen } = watched((id) => (id === "0" ? 0 : 1e6));
    for await (const _ of rateStream(reward, source(), { concurrency: 4 })) break;
    await turns(5);
    expect([closed, seen.signals.at(-1)?.aborted]).toEqual([true, true]);
  });

  test("failures and aborts surface at their place", async () => {
    const ids: string[] = [];
    const reading = (async () => {
      for await (const { sample: one } of rateStream(failing, samples)) ids.push(one.id);
    })();
    await expect(reading).rejects.toMatchObject({ sampleId: "3" });
    expect(ids).toEqual(["0", "1", "2"]);
    const controller = new AbortController();
    const stream = rateStream(never, samples, { signal: controller.signal });
    const first = stream.next();
    await turns(5);
    controller.abort();
    await expect(first).rejects.toMatchObject({ code: "R1_ABORTED" });
    function* broken(): Generator<Sample> {
      yield sample("1");
      throw new Error("source");
    }
    const all = async () => {
      for await (const { sample: one } of rateStream(number, broken())) ids.push(one.id);
    };
    await expect(all()).rejects.toThrow("source");
  });
});

describe("pairwiseReward", () => {
  const prompt = [{ role: "user" as const, content: [{ type: "text" as const, text: "Q" }] }];
  const group = ["a", "bbb", "cc"].map((text, i) => ({ ...sample(String(i)), text, prompt }));

  test("is scoreGroup for a trainer's samples", async () => {
    const rewards = await pairwiseReward(longerJudge, { preset: "exact" }).scoreGroup(group);
    const values = rewards.map(({ value }) => value!);
    expect([...values.keys()].sort((i, j) => values[i]! - values[j]!)).toEqual([0, 2, 1]);
    expect(values.reduce((sum, value) => sum + value, 0)).toBeCloseTo(0, 12);
    expect(await pairwiseReward(longerJudge).scoreGroup([])).toEqual([]);
  });

  test("takes a reference, and a question where the prompt is a conversation", async () => {
    const long = pairwiseReward<unknown>(longerJudge, { against: () => ({ reference: "x".repeat(9) }) });
    expect((await long.scoreGroup(group)).every(({ parts }) => parts.vsReference! < 0)).toBe(true);
    const talk = group.map((one) => ({ ...one, prompt: [...prompt, { role: "assistant" as const, content: [] }] }));
    await expect(pairwiseReward(longerJudge).scoreGroup(talk)).rejects.toThrow("expected one user turn");
    const asked = pairwiseReward(longerJudge, { question: ({ prompt: [turn] }) => turn!.content });
    expect(await asked.scoreGroup(talk)).toHaveLength(3);
  });
});
