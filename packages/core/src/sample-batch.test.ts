import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { memoryCache } from "./cache/memory-cache.ts";
import { comparePair } from "./compare.ts";
import type { ChatModel, SampleOptions } from "./interfaces.ts";
import { judgeWith, type JudgeWithOptions } from "./judge.ts";
import { r1Protocol } from "./protocol/r1.ts";
import { pairwiseJudgeContract } from "./testing/contracts/index.ts";
import type { Completion, Preference } from "./types.ts";

const pair: Preference = {
  id: "p1",
  question: [{ type: "text", text: "Which one?" }],
  responses: ["the first", "the second"],
  human: 0,
};
const says = (digit: number): Completion => ({
  text: `<think>Because.</think><answer>${digit}</answer>`,
  finishReason: "stop",
  usage: { promptTokens: 7, completionTokens: 3 },
  latencyMs: 1,
});

type Wanted = readonly { readonly sample: number; readonly swapped: boolean }[];
type Many = (n: number, options: SampleOptions) => Promise<readonly Completion[]>;

/** A model that can write several replies at once, and how many were asked for in each request. */
const modelOf = (many: Many = async (n) => Array.from({ length: n }, () => says(1))) => {
  const requests: number[] = [];
  const model: ChatModel = {
    name: "m",
    complete: async (_messages, options = {}) => {
      requests.push(1);
      return (await many(1, options))[0]!;
    },
    completeMany: async (_messages, n, options = {}) => {
      requests.push(n);
      return many(n, options);
    },
  };
  return { model, requests };
};

const judgeOf = (model: ChatModel, options: JudgeWithOptions = {}) =>
  judgeWith(model, r1Protocol, { samplesPerRequest: 4, ...options });

for (const { name, run } of pairwiseJudgeContract({ create: () => judgeOf(modelOf().model) })) {
  it(`contract: ${name}`, run);
}

describe("samples of one prompt", () => {
  it("come with as few requests as allowed, are kept one by one, and are not asked for again", async () => {
    const { model, requests } = modelOf();
    await using cache = memoryCache();
    const judge = judgeOf(model, { cache });
    const decision = await comparePair(judge, pair, { votes: 12 });
    expect(requests.toSorted()).toEqual([2, 2, 4, 4]); // six in each order
    expect(decision.judgments).toHaveLength(12);
    expect(decision.judgments.every(({ cached }) => !cached)).toBe(true);
    const again = await comparePair(judge, pair, { votes: 12 });
    expect(again.judgments.every(({ cached }) => cached)).toBe(true);
    await comparePair(judge, pair, { votes: 16 });
    expect(requests.slice(4)).toEqual([2, 2]); // the two that are new in each order
  });

  it("are asked for at once, cached and repeated ones apart, whatever else is asked", async () => {
    const wanted = (most: number) =>
      fc.array(fc.record({ sample: fc.nat(7), swapped: fc.boolean() }), { maxLength: most });
    const check = async (all: Wanted, known: Wanted, most: number): Promise<void> => {
      const { model, requests } = modelOf();
      await using cache = memoryCache();
      const judge = judgeOf(model, { cache, samplesPerRequest: most });
      const ask = (calls: Wanted) => Promise.all(calls.map((call) => judge.judge(pair, { ...call, samples: 8 })));
      await ask(known);
      const before = requests.length;
      await ask(all);
      const expected: number[] = []; // by hand: what is new, in each order
      for (const swapped of [true, false]) {
        const fresh = new Set<number>();
        for (const one of all) if (one.swapped === swapped) fresh.add(one.sample);
        for (const one of known) if (one.swapped === swapped) fresh.delete(one.sample);
        for (let left = fresh.size; left > 0; left -= most) expected.push(Math.min(left, most));
      }
      const numbers = (a: number, b: number): number => a - b;
      expect(requests.slice(before).toSorted(numbers)).toEqual(expected.toSorted(numbers));
    };
    await fc.assert(fc.asyncProperty(wanted(12), wanted(4), fc.integer({ min: 2, max: 5 }), check));
  });

  it("are asked for one by one unless told otherwise, with a seed, and where the model cannot do more", async () => {
    const plain = modelOf();
    await comparePair(judgeWith(plain.model, r1Protocol), pair, { votes: 4 });
    const seeded = modelOf();
    await comparePair(judgeOf(seeded.model, { sampling: { seed: 1 } }), pair, { votes: 4 });
    const { model, requests } = modelOf();
    const { completeMany: _completeMany, ...single } = model;
    await comparePair(judgeOf(single), pair, { votes: 4 });
    expect([plain.requests, seeded.requests, requests]).toEqual(Array.from({ length: 3 }, () => [1, 1, 1, 1]));
  });

  it("fail one by one: what came whole is kept", async () => {
    const broken = { ...says(2), usage: { promptTokens: -1, completionTokens: 3 } };
    const { model, requests } = modelOf(async (n) => [says(1), broken, says(2)].slice(0, n)); // one too few of four
    await using cache = memoryCache();
    const judge = judgeOf(model, { cache });
    const ask = (sample: number) => judge.judge(pair, { sample, samples: 4 });
    const told = await Promise.allSettled([0, 1, 2, 3].map(ask));
    expect(told.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled", "rejected"]);
    expect(told[1]).toMatchObject({
      reason: { code: "R1_MODEL", message: "m: reply.usage: expected token counts or nulls" },
    });
    expect(told[3]).toMatchObject({ reason: { code: "R1_MODEL", message: "m: expected 4 replies, got 3" } });
    expect(requests).toEqual([4]);
    expect((await ask(0)).cached && (await ask(2)).cached).toBe(true);
    expect(requests).toEqual([4]);
  });

  it("fail together when the request fails, and are asked for again", async () => {
    let down = true;
    const { model, requests } = modelOf(async (n) => {
      if (down) throw new TypeError("no route");
      return Array.from({ length: n }, () => says(2));
    });
    const judge = judgeOf(model);
    await expect(comparePair(judge, pair, { votes: 8 })).rejects.toMatchObject({
      code: "R1_MODEL",
      message: "m: no route",
    });
    down = false;
    expect((await comparePair(judge, pair, { votes: 8 })).judgments).toHaveLength(8);
    expect(requests).toEqual([4, 4, 4, 4]);
  });

  it("go on while somebody wants one, and end when nobody does", async () => {
    const signals: (AbortSignal | undefined)[] = [];
    const answers: (() => void)[] = [];
    const { model } = modelOf(async (n, { signal }) => {
      signals.push(signal);
      await new Promise<void>((resolve) => void answers.push(resolve));
      return Array.from({ length: n }, () => says(1));
    });
    const judge = judgeOf(model);
    const callers = [new AbortController(), new AbortController(), new AbortController()];
    const asked = callers.map(({ signal }, sample) =>
      judge.judge(pair, { sample, samples: 3, signal }).then(
        () => "told",
        (error: unknown) => (error as { code: string }).code,
      ),
    );
    await expect.poll(() => signals.length).toBe(1);
    callers[0]!.abort();
    callers[1]!.abort();
    expect(signals[0]?.aborted).toBe(false);
    answers[0]?.();
    expect(await Promise.all(asked)).toEqual(["R1_ABORTED", "R1_ABORTED", "told"]);
    const gone = new AbortController();
    const forNobody = [0, 1].map((sample) => judge.judge(pair, { sample, samples: 2, signal: gone.signal }));
    await expect.poll(() => signals.length).toBe(2);
    gone.abort();
    for (const one of forNobody) await expect(one).rejects.toMatchObject({ code: "R1_ABORTED" });
    expect(signals[1]?.aborted).toBe(true);
  });

  it("do not wait for one that comes to nothing before it is asked", async () => {
    const { model, requests } = modelOf();
    const judge = judgeOf(model);
    const gone = new AbortController();
    const asked = [0, 1, 2].map((sample) =>
      judge.judge(pair, { sample, samples: 3, ...(sample === 1 ? { signal: gone.signal } : {}) }),
    );
    gone.abort(); // before its prompt was even made
    const told = await Promise.allSettled(asked);
    expect(told.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(requests).toEqual([2]);
  });

  it.each([0, -1, 1.5, Number.NaN])("cannot be %d in a request", (samplesPerRequest) => {
    expect(() => judgeOf(modelOf().model, { samplesPerRequest })).toThrow(/samplesPerRequest: expected a whole number/);
  });
});
