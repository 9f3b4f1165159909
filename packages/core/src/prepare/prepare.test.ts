import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { plainPairsFormat, r1RewardRlFormat } from "../dataset/formats/index.ts";
import type { RowContext } from "../dataset/format.ts";
import type { Completion, Part, Preference } from "../types.ts";
import type { ChatModel, SampleOptions } from "../interfaces.ts";
import {
  answerBalancer,
  copyIndex,
  difficultyFilter,
  difficultyOf,
  distillPair,
  fingerprintOf,
  jaccard,
  minHash,
  nearIndex,
  normalisedWords,
  plainPairRow,
  r1RewardRlRow,
  type Attempt,
  type CopyOptions,
} from "./index.ts";

const context: RowContext = {
  file: "x.jsonl",
  line: 1,
  mediaPath: (path) => `/root/${path}`,
  missingImages: "error",
  onImageOmitted: () => {},
};
const path = { path: (name: string) => name.replace("/root/", "") };
const text = (words: string): Part => ({ type: "text", text: words });
const image = (name: string): Part => ({ type: "image", image: { path: `/root/${name}` } });
const pair = (more: Partial<Preference> = {}): Preference => ({
  id: "p",
  question: [text("What is it?")],
  responses: ["a cat", "a dog"],
  human: 0,
  ...more,
});
const PNG = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52);

const roundTrip = (one: Preference): Preference =>
  plainPairsFormat.toPreferences(JSON.parse(JSON.stringify(plainPairRow(one, path))) as never, context)[0]!;

describe("plainPairRow", () => {
  it("writes what its format reads back", () => {
    const video: Part = {
      type: "video",
      video: { frames: [{ path: "/root/f1.png" }, { url: "https://a.example/f2.png" }] },
    };
    for (const question of [
      [text("Only text")],
      [image("a.png"), text("One image?")],
      [image("a.png"), image("b.png"), text("Two?")],
      [text("Before"), image("a.png"), text("after")],
      [video, text("A video?")],
      [{ type: "video" as const, video: { folder: "/root/frames" } }, text("A folder?")],
      [{ type: "image" as const, image: { url: "https://a.example/a.png" } }, text("A URL?")],
    ]) {
      expect(roundTrip(pair({ question })).question).toEqual(question);
    }
    const full = pair({
      group: "g",
      human: 1,
      meta: { attempts: 2, critique: "<think>x</think>", human: "clash", list: [1, { a: null }] },
    });
    expect(roundTrip(full)).toEqual(full);
    expect(roundTrip(pair({ human: undefined })).human).toBeUndefined();
  });

  it("embeds bytes, and refuses bytes that are no image", () => {
    const [part] = roundTrip(pair({ question: [{ type: "image", image: { bytes: PNG } }, text("?")] })).question;
    expect(part).toMatchObject({
      image: { dataUri: expect.stringMatching(/^data:image\/png;base64,iVBORw0KGgo/) as string },
    });
    const notes = { type: "image" as const, image: { bytes: new TextEncoder().encode("not an image at all") } };
    expect(() => plainPairRow(pair({ question: [notes, text("?")] }))).toThrow(/expected PNG, JPEG, WebP or GIF/);
  });

  it("survives any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string(), (a, note) => {
        const back = roundTrip(pair({ responses: [a, note], meta: { note: `n${note}` } }));
        expect([...back.responses, back.meta?.["note"]]).toEqual([a, note, `n${note}`]);
      }),
      { numRuns: 60 },
    );
  });
});

describe("r1RewardRlRow", () => {
  it("writes what the released layout's reader reads back", () => {
    const one = pair({ question: [image("a.png"), text("What is in it?\nSay it.")], human: 1 });
    const row = r1RewardRlRow(one, path);
    expect(row["answer"]).toEqual(["<answer>2</answer>"]);
    const [back] = r1RewardRlFormat.toPreferences(row, context);
    expect(back).toMatchObject({ question: one.question, responses: one.responses, human: 1 });
  });

  it("refuses what has no place in it", () => {
    expect(() => r1RewardRlRow(pair({ human: undefined }))).toThrow(/pair "p": expected a human choice/);
    expect(() => r1RewardRlRow(pair({ question: [image("a"), image("b"), text("?")] }))).toThrow(
      /has one image, got 2/,
    );
    const video: Part = { type: "video", video: { folder: "/root/v" } };
    expect(() => r1RewardRlRow(pair({ question: [video, text("?")] }))).toThrow(/no place for a video/);
  });
});

const reply = (words: string, more: Partial<Completion> = {}): Completion => ({
  text: words,
  finishReason: "stop",
  usage: { promptTokens: 3, completionTokens: 5 },
  latencyMs: 1,
  ...more,
});

const scripted = (...replies: (Completion | Error)[]) => {
  const asked: SampleOptions[] = [];
  const model: ChatModel = {
    name: "teacher",
    complete: (_messages, options = {}) => {
      const next = replies[asked.length];
      asked.push(options);
      return next instanceof Error || next === undefined
        ? Promise.reject(next ?? new Error("asked too often"))
        : Promise.resolve(next);
    },
  };
  return { model, asked };
};

describe("distillPair", () => {
  const RIGHT = "<think>It purrs. Response 1 is better.</think><answer>1</answer>";

  it("asks once when the first reply is right, at temperature 0", async () => {
    const { model, asked } = scripted(reply(RIGHT));
    const { critique, attempts } = await distillPair(model, pair());
    expect([critique, attempts.length, asked[0]!.temperature, asked[0]!.maxTokens]).toEqual([RIGHT, 1, 0, 4096]);
    expect(asked[0]).not.toHaveProperty("seed");
  });

  it("asks up to three times, warmer each time, and says what was wrong", async () => {
    const { model, asked } = scripted(
      reply("<think>Hm.</think><answer>2</answer>"),
      reply("<think>It purrs</think><answer>1</answer>", { finishReason: "length" }),
      reply("<answer>1</answer>"),
    );
    const { critique, attempts } = await distillPair(model, pair(), { seed: 7 });
    expect(critique).toBeNull();
    expect(attempts.map(({ fault }) => fault)).toEqual(["wrong", "unreadable", "no-thought"]);
    expect(asked.map(({ temperature, seed }) => [temperature, seed])).toEqual([
      [0, 7],
      [0.5, 8],
      [1, 9],
    ]);
  });

  it("drops a critique whose thought calls the other answer better", async () => {
    const { model } = scripted(reply("<think>Response 2 is better.</think><answer>1</answer>"), reply(RIGHT));
    const { attempts, critique } = await distillPair(model, pair());
    expect([attempts.map(({ fault }) => fault), critique]).toEqual([["contradicts", null], RIGHT]);
  });

  it("teaches the grammar to the letter, whatever the teacher put around it", async () => {
    for (const [given, taught] of [
      ["\n<think>A cat.</think>\n\n<answer>1</answer>\n", "<think>A cat.</think><answer>1</answer>"],
      ["<think>A cat.</think> So: <answer> 1 </answer> Done.", "<think>A cat.</think><answer>1</answer>"],
      ["A cat, plainly. <answer>1</answer>", "<think>A cat, plainly.</think><answer>1</answer>"],
    ] as const) {
      expect((await distillPair(scripted(reply(given)).model, pair())).critique, given).toBe(taught);
    }
  });

  it("does not ask again for attempts that are known, and reads them as before", async () => {
    const { model, asked } = scripted(reply(RIGHT));
    const told: Attempt[] = [];
    const wrong = {
      ...reply("<think>No.</think><answer>2</answer>"),
      attempt: 1,
      temperature: 0,
      fault: "wrong" as const,
    };
    const { attempts, critique } = await distillPair(model, pair(), {
      known: [wrong],
      onAttempt: (attempt) => void told.push(attempt),
    });
    expect([asked.length, asked[0]!.temperature, attempts.length, critique]).toEqual([1, 0.5, 2, RIGHT]);
    expect(told.map(({ attempt }) => attempt)).toEqual([2]);
  });

  it("writes each attempt down before the next, and loses none when the teacher fails", async () => {
    const { model } = scripted(reply("<think>No.</think><answer>2</answer>"), new Error("gone"));
    const told: number[] = [];
    const run = distillPair(model, pair(), { onAttempt: ({ attempt }) => void told.push(attempt) });
    await expect(run).rejects.toMatchObject({ code: "R1_MODEL" });
    expect(told).toEqual([1]);
  });

  it("refuses what cannot work", async () => {
    const { model } = scripted();
    await expect(distillPair(model, pair({ human: undefined }))).rejects.toThrow(/expected a human choice/);
    await expect(distillPair(model, pair(), { temperatures: [] })).rejects.toThrow(/temperatures: .*got none/);
    await expect(distillPair(model, pair(), { temperatures: [-1] })).rejects.toThrow(/got -1/);
    await expect(distillPair(model, pair(), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "R1_ABORTED",
    });
    await expect(distillPair(scripted(reply("x", { latencyMs: NaN })).model, pair())).rejects.toThrow(
      /reply.latencyMs/,
    );
  });
});

describe("answerBalancer", () => {
  it("is never off by more than one, in any group, for any labels", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ human: fc.constantFrom(0, 1), by: fc.constantFrom("a", "b") })),
        fc.nat(),
        (rows, seed) => {
          const balancer = answerBalancer({ seed, by: ({ meta }) => String(meta?.["by"]) });
          const first: Record<string, number> = { a: 0, b: 0 };
          rows.forEach(({ human, by }, i) => {
            const before = pair({ id: `${i}`, human: human as 0 | 1, meta: { by } });
            const after = balancer.place(before);
            expect(after.responses[after.human!]).toBe(before.responses[human]);
            first[by]! += after.human === 0 ? 1 : -1;
            expect(Math.abs(first[by]!)).toBeLessThanOrEqual(1);
          });
          const { first: one, second, swapped } = balancer.stats();
          expect(one + second).toBe(rows.length);
          expect(swapped).toBeLessThanOrEqual(rows.length);
        },
      ),
    );
  });

  it("does not show by the place which label a pair had", () => {
    const balancer = answerBalancer();
    const swaps = Array.from({ length: 2000 }, (_, i) => balancer.place(pair({ id: `${i}` }))).filter(
      ({ human }) => human === 1,
    );
    // 1000 exactly; and of each two the first is turned about as often as the second (500 ± 5 standard errors of 16).
    expect(swaps).toHaveLength(1000);
    const early = swaps.filter(({ id }) => Number(id) % 2 === 0).length;
    expect(Math.abs(early - 500)).toBeLessThan(80);
  });

  it("refuses to turn a pair whose critique speaks of its order, and leaves unlabelled pairs alone", () => {
    const balancer = answerBalancer();
    const place = () => {
      for (let i = 0; i < 9; i += 1) balancer.place(pair({ id: `${i}`, meta: { critique: "Answer 1 …" } }));
    };
    expect(place).toThrow(/has a critique of its answers/);
    expect(balancer.place(pair({ human: undefined })).responses).toEqual(["a cat", "a dog"]);
    expect(balancer.stats().unlabelled).toBe(1);
  });
});

describe("difficulty", () => {
  it("takes two attempts or more, and what was never solved (paper, section 4.3)", () => {
    const take = (options = {}) =>
      [1, 2, 3, "failed" as const].filter((attempts) => difficultyFilter(options)(pair({ meta: { attempts } })));
    expect(take()).toEqual([2, 3, "failed"]);
    expect(take({ failed: "exclude", min: 1 })).toEqual([1, 2, 3]);
    expect(take({ failed: "only" })).toEqual(["failed"]);
    expect(take({ min: 2, max: 2 })).toEqual([2, "failed"]);
    expect(() => difficultyFilter({ min: 3, max: 2 })).toThrow(/min ≤ max/);
    for (const attempts of [undefined, 0, 1.5, "2", null])
      expect(() => difficultyOf(pair(attempts === undefined ? {} : { meta: { attempts } }))).toThrow(
        /pair "p": expected the field attempts/,
      );
  });
});

/** Jaccard by sets, in plain words. */
const overlap = (a: readonly number[], b: readonly number[]): number => {
  const [one, two] = [new Set(a), new Set(b)];
  const both = [...one].filter((value) => two.has(value)).length;
  const all = new Set([...a, ...b]).size;
  return all === 0 ? 1 : both / all;
};

const ascending = (values: readonly number[]): Uint32Array => Uint32Array.from(new Set(values)).sort();

describe("shingles and MinHash", () => {
  it("measures overlap as sets do", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(30)), fc.array(fc.nat(30)), (a, b) => {
        expect(jaccard(ascending(a), ascending(b))).toBeCloseTo(overlap(a, b), 12);
      }),
    );
  });

  it("estimates overlap without bias, and finds near sets but not far ones", () => {
    // Two sets of 400 with 240 in common: 240 / 560. The estimate over 128 hashes has a standard error of 0.044.
    const shared = Array.from({ length: 240 }, (_, i) => Math.imul(i + 1, 2654435761) >>> 0);
    const own = (salt: number) => Array.from({ length: 160 }, (_, i) => Math.imul(i + salt, 40503) >>> 0);
    const [a, b] = [ascending([...shared, ...own(1_000)]), ascending([...shared, ...own(9_000)])];
    const equal = minHash(a).filter((value, at) => value === minHash(b)[at]).length;
    expect(Math.abs(equal / 128 - jaccard(a, b))).toBeLessThan(0.15);
    let found = { near: 0, far: 0 };
    for (let trial = 0; trial < 60; trial += 1) {
      const base = Array.from({ length: 100 }, (_, i) => Math.imul(i * 97 + trial * 7919, 2654435761) >>> 0);
      const index = nearIndex();
      index.add(ascending(base), 1);
      const near = index.candidates(ascending([...base.slice(10), ...own(trial * 500 + 77).slice(0, 10)])).size;
      const far = index.candidates(ascending([...base.slice(85), ...own(trial * 500 + 77)])).size;
      found = { near: found.near + near, far: found.far + far };
    }
    expect(found.near).toBe(60); // 90 of 110 in common: missed once in 10⁸
    expect(found.far).toBeLessThanOrEqual(5); // 15 of 260: met once in 3,000
  });

  it("folds case, punctuation and compatibility forms, and counts signs where there are no spaces", () => {
    expect(normalisedWords("The CAT’s ﬁne — １２!")).toEqual(["the", "cat", "s", "fine", "12"]);
    expect(normalisedWords("猫がいる")).toEqual(["猫", "が", "い", "る"]);
  });
});

const index = async (known: readonly Preference[], options: CopyOptions = {}) => {
  const copies = copyIndex(options);
  for (const one of known) copies.add(one.id, await fingerprintOf(one));
  return async (one: Preference) => copies.find(await fingerprintOf(one));
};

describe("copyIndex", () => {
  const long = Array.from({ length: 60 }, (_, i) => `w${i}`).join(" ");
  const shown = (name: string, words: string, more: Partial<Preference> = {}) =>
    pair({ question: [image(name), text(words)], ...more });

  it("knows an exact copy in either order, with other case and spaces", async () => {
    const find = await index([pair({ id: "one" })]);
    expect(await find(pair({ question: [text(" what is IT ")], responses: ["a dog", "A cat."] }))).toEqual({
      reason: "exact",
      of: "one",
      similarity: 1,
    });
    expect(await find(pair({ responses: ["a cat", "a cow"] }))).toBeUndefined();
  });

  it("trusts long texts alone, short ones only with the picture", async () => {
    const find = await index([shown("a.png", "What is it?", { id: "short" }), shown("a.png", long, { id: "long" })]);
    expect(await find(shown("b.png", "What is it?"))).toBeUndefined();
    expect((await find(pair()))?.of).toBe("short");
    expect(await find(shown("b.png", `${long} more`))).toMatchObject({ reason: "near", of: "long" });
    const strict = await index([shown("a.png", long)], { textAlone: Infinity });
    expect(await strict(shown("b.png", long))).toBeUndefined();
  });

  it("goes by prompt or picture where asked to", async () => {
    const known = [shown("a.png", "How many cats are there?", { id: "bench" })];
    const other = shown("a.png", "How many cats are there?", { responses: ["eleven of them", "nobody knows it"] });
    const elsewhere = shown("a.png", "What colour is the sky?", { responses: ["grey", "red"] });
    expect(await (await index(known))(other)).toBeUndefined();
    expect(await (await index(known, { samePrompt: true }))(other)).toEqual({
      reason: "prompt",
      of: "bench",
      similarity: 1,
    });
    expect(await (await index(known, { samePrompt: true }))(elsewhere)).toBeUndefined();
    expect(await (await index(known, { samePicture: true }))(elsewhere)).toEqual({
      reason: "picture",
      of: "bench",
      similarity: null,
    });
  });

  it("takes hashes of looks for the same picture when 3 bits of 64 differ, not when 4 do", async () => {
    const looks = (bits: string) => ({ picture: () => `looks:${bits}` });
    for (const [bits, same] of [
      ["0123456789abcdef", true],
      ["1133456789abcdee", true],
      ["f123456789abcdef", false],
    ] as const) {
      const copies = copyIndex({ samePicture: true });
      copies.add("one", await fingerprintOf(shown("a.png", "one two three four"), looks("0123456789abcdef")));
      const match = copies.find(
        await fingerprintOf(shown("b.png", "five six seven eight", { responses: ["x", "y"] }), looks(bits)),
      );
      expect(match?.reason, bits).toBe(same ? "picture" : undefined);
    }
  });

  it("refuses a threshold that MinHash cannot serve", () => {
    expect(() => copyIndex({ threshold: 0.3 })).toThrow(/threshold: expected a number from 0.5 to 1/);
  });
});
