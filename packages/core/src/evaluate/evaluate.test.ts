import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { firstJudge, longerJudge } from "../baselines.ts";
import { CacheError, ConfigError, ModelError, OutputError } from "../errors.ts";
import type { Verdict, Winner } from "../types.ts";
import { mmRlhfRewardBench, vlRewardBench } from "./benchmarks.ts";
import { evaluate, type EvaluateOptions } from "./evaluate.ts";
import { judgeOf, mine, names, pair, withRecords } from "./fixtures/scripted-judge.ts";
import type { EvalRecord } from "./records.ts";
import type { EvalReport } from "./report-types.ts";
import type { Score } from "./score.ts";

const unreadable: Verdict = { kind: "unreadable", why: "no-answer" };
const score = (report: EvalReport, split: string, category: string): Score => report.splits[split]![category] as Score;

describe("judges whose score is known", () => {
  const pairs = Array.from({ length: 20 }, (_, i) => pair(`p${i}`, i % 4 === 0 ? 1 : 0));

  it("the first shown, in both orders: all ties, half right on average, position rate 1", async () => {
    const report = await evaluate(mine, firstJudge, pairs);
    expect(report.overall).toMatchObject({ n: 20, counted: 20, correct: 0, accuracy: 0, ties: 20 });
    expect(report).toMatchObject({ ties: 20, averageAccuracy: 0.5, consistency: { n: 20, consistent: 0, rate: 0 } });
    expect(report.positionBias).toMatchObject({ n: 40, first: 40, firstRate: 1 });
    expect(report.positionBias.pValue).toBeCloseTo(2 * 0.5 ** 40, 20);
    expect(report.positionBias.disagreements).toEqual({ bothFirst: 20, bothSecond: 0, pValue: 2 * 0.5 ** 20 });
    expect(report.accuracyByTiePolicy).toEqual({ wrong: 0, excluded: null, half: 0.5 });
    expect(report.warnings).toEqual([]);
  });

  it("the first shown, as stored: as right as the data are sorted, and a warning", async () => {
    const report = await evaluate(mine, firstJudge, pairs, { orders: "as-stored" });
    expect(report.overall).toMatchObject({ correct: 15, accuracy: 0.75 });
    expect(report).toMatchObject({ placement: "as-stored", votes: 1, passAtK: null });
    expect(report.consistency).toEqual({ n: 0, consistent: 0, rate: null });
    expect(report.warnings).toEqual([expect.stringContaining("first-position bias counts as accuracy")]);
  });

  it("the longer: the second response throughout", async () => {
    const report = await evaluate(mine, longerJudge, pairs);
    expect(report.overall).toMatchObject({ correct: 5, accuracy: 0.25 });
    expect(report.positionBias).toMatchObject({ n: 40, first: 20, firstRate: 0.5, pValue: 1 });
    expect(report.consistency.rate).toBe(1);
  });
});

describe("against an oracle in plain loops", () => {
  const OUTCOMES = ["0", "1", "tie", "unreadable", "error"] as const;
  const verdictOf = (word: string): Verdict | Error => {
    if (word === "error") return new ModelError("overloaded", { model: "scripted", retryable: true });
    if (word === "tie") return { kind: "tie" };
    return word === "unreadable" ? unreadable : names(Number(word) as Winner);
  };

  const script = fc.array(
    fc.record({
      stored: fc.constantFrom(...OUTCOMES),
      reversed: fc.constantFrom(...OUTCOMES),
      human: fc.constantFrom<Winner>(0, 1),
      category: fc.constantFrom("__proto__", "macro", "charts", "toString"),
    }),
    { maxLength: 25 },
  );

  it("counts every pair once, where it belongs", async () => {
    await fc.assert(
      fc.asyncProperty(script, async (rows) => {
        let [correct, ties, unreadables, failed, first, named, shares, consistent, both] = [0, 0, 0, 0, 0, 0, 0, 0, 0];
        for (const { stored, reversed, human } of rows) {
          if (stored === "error" || reversed === "error") {
            failed += 1;
            continue;
          }
          if (stored === "0") first += 1;
          if (reversed === "1") first += 1;
          for (const word of [stored, reversed]) {
            if (word === "0" || word === "1") named += 1;
            if (word === String(human)) shares += 0.5;
          }
          const readable = [stored, reversed].filter((word) => word !== "unreadable");
          if (readable.length === 2) {
            both += 1;
            if (stored === reversed) consistent += 1;
          }
          if (readable.length === 0) unreadables += 1;
          else if (readable.includes("tie") && readable.every((word) => word === "tie")) ties += 1;
          else if (new Set(readable).size === 2) ties += 1;
          else if (readable[0] === String(human)) correct += 1;
        }
        const pairs = rows.map(({ human, category }, i) => pair(`p${i}`, human, { meta: { category } }));
        const judge = judgeOf((id, swapped) => {
          const row = rows[Number(id.slice(1))]!;
          return verdictOf(swapped ? row.reversed : row.stored);
        });
        const report = await evaluate(mine, judge, pairs, { bootstrap: { resamples: 10 } });
        const n = rows.length;
        const rate = (k: number, of: number) => (of === 0 ? null : k / of);
        expect(report.overall).toMatchObject({ n, counted: n, correct, ties, unreadable: unreadables, failed });
        expect(report).toMatchObject({ n, ties, unreadable: unreadables, failures: { n: failed } });
        expect(report.accuracyByFailurePolicy).toEqual({
          wrong: rate(correct, n),
          excluded: rate(correct, n - unreadables - failed),
          coinFlip: rate(correct + (unreadables + failed) / 2, n),
        });
        expect(report.averageAccuracy).toEqual(rate(shares, n) === null ? null : expect.closeTo(shares / n, 12));
        expect(report.positionBias).toMatchObject({ n: named, first, firstRate: rate(first, named) });
        expect(report.consistency).toEqual({ n: both, consistent, rate: rate(consistent, both) });
        const counted = Object.values(report.splits.category ?? {}).reduce<number>(
          (sum, each) => sum + (typeof each === "object" && each !== null ? each.n : 0),
          0,
        );
        expect(counted).toBe(n);
        expect(JSON.stringify(report)).not.toMatch(/NaN|Infinity/);
      }),
      { numRuns: 60 },
    );
  });
});

describe("splits and Acc+", () => {
  it("reports all conventions of VL-RewardBench in the documented shape", async () => {
    const ids = ["hallucination_pair-1", "RLAIF-V-2", "RLHF-V-3", "wildvision-battle-4", "mathverse_5", "mmmu_6"];
    const right = new Set(["hallucination_pair-1", "mathverse_5", "wildvision-battle-4"]);
    const judge = judgeOf((id) => names(right.has(id) ? 0 : 1));
    const report = await evaluate(vlRewardBench, judge, ids.map((id) => pair(id))); // prettier-ignore
    expect(Object.keys(report.splits)).toEqual(["official", "official-2024", "r1-reward"]);
    expect(Object.keys(report.splits.official!)).toEqual(["general", "hallucination", "reasoning", "macro"]);
    const shares = (split: string) =>
      ["general", "hallucination", "reasoning"].map((name) => {
        const { correct, n } = score(report, split, name);
        return `${correct}/${n}`;
      });
    expect(shares("official")).toEqual(["1/1", "1/3", "1/2"]);
    expect(shares("official-2024")).toEqual(["2/2", "0/2", "1/2"]);
    expect(shares("r1-reward")).toEqual(["1/3", "1/1", "1/2"]);
    expect(report.splits.official!.macro).toBeCloseTo((1 + 1 / 3 + 1 / 2) / 3, 14);
    expect(report.acc).toBeUndefined();
    expect(report.warnings).toEqual(["vl-rewardbench is published with 1250 pairs; this is 6"]);
  });

  it("macro is null while a category of the split is empty", async () => {
    const report = await evaluate(vlRewardBench, longerJudge, [pair("mathverse_1", 1)]);
    expect(report.splits.official!.macro).toBeNull();
    expect(score(report, "official", "general")).toMatchObject({ n: 0, accuracy: null, interval95: null });
  });

  it("Acc+ counts groups that are wholly right, overall and per category", async () => {
    const at = (id: string, group: string, folder: string) =>
      pair(id, 0, { group, meta: { image: `${folder}/1.png` } });
    const pairs = [
      at("a1", "A", "mcq"),
      at("a2", "A", "mcq"),
      at("b1", "B", "mcq"),
      at("b2", "B", "mcq"),
      at("c", "C", "long"),
    ];
    const judge = judgeOf((id) => (id === "b2" ? { kind: "tie" } : names(0)));
    const report = await evaluate(mmRlhfRewardBench, judge, pairs);
    expect(report).toMatchObject({ acc: 4 / 5, accPlus: 2 / 3 });
    expect(report.overall).toMatchObject({ groups: 3, correctGroups: 2, acc: 0.8, clusters: 3 });
    expect(score(report, "official", "mcq")).toMatchObject({ acc: 3 / 4, accPlus: 1 / 2, groups: 2 });
    expect(score(report, "official", "video")).toMatchObject({ n: 0, accPlus: null });
  });

  it("a custom set without categories has no splits; with a category called macro it keeps both", async () => {
    expect((await evaluate(mine, longerJudge, [pair("a")])).splits).toEqual({});
    const report = await evaluate(mine, longerJudge, [pair("a", 1, { meta: { category: "macro" } })]);
    expect(report.splits.category).toMatchObject({ macro: 1, "macro (category)": { n: 1 } });
  });
});

describe("what can go wrong", () => {
  it("records a judge that throws, hides secrets, and goes on", async () => {
    const judge = judgeOf((id) => (id === "b" ? new Error("no luck with Bearer abcdef123456") : names(0)));
    const { report, records } = await withRecords(judge, [pair("a"), pair("b"), pair("c")]);
    expect(report.overall).toMatchObject({ correct: 2, failed: 1 });
    const [message] = report.failures.messages;
    expect(message).toMatchObject({ code: "R1_MODEL", count: 1 });
    expect(message!.message).not.toContain("abcdef");
    expect(records.find(({ id }) => id === "b")).toMatchObject({ status: "failed", correct: false, decision: null });
    expect(report.warnings).toEqual(["the judge failed on 1 of 3 pairs: see failures"]);
  });

  it("a judgment that is none fails its pair, not the run", async () => {
    const { report } = await withRecords(
      judgeOf(() => names(0), { usage: undefined as never }),
      [pair("a")],
    );
    expect(report.failures).toMatchObject({ n: 1, messages: [{ code: null, count: 1 }] });
  });

  it("stops when more fail than were allowed", async () => {
    const judge = judgeOf(() => new ModelError("down", { model: "m", retryable: true }));
    const pairs = Array.from({ length: 50 }, (_, i) => pair(`p${i}`));
    await expect(evaluate(mine, judge, pairs, { maxFailures: 3, concurrency: 1 })).rejects.toThrow("down");
    expect(new Set(judge.calls).size).toBe(4);
  });

  it.each([new ConfigError("no such preset"), new CacheError("disk gone")])(
    "an error of no one pair stops it: %s",
    async (error) => {
      const judge = judgeOf(() => error);
      await expect(evaluate(mine, judge, [pair("a"), pair("b")], { concurrency: 1 })).rejects.toBe(error);
      expect(new Set(judge.calls)).toEqual(new Set(["a"]));
    },
  );

  it("needs a human choice, and names the pair without one", async () => {
    for (const human of [undefined, 2, NaN, "0", null]) {
      const bad = { ...pair('x"y'), human: human as Winner };
      await expect(evaluate(mine, firstJudge, [bad])).rejects.toThrow(
        /preference "x\\"y": expected a human choice \(0 or 1\)/,
      );
    }
  });

  it("refuses options out of range before anything is judged", async () => {
    const judge = judgeOf(() => names(0));
    const bad: EvaluateOptions[] = [
      { concurrency: 0 },
      { concurrency: NaN },
      { maxFailures: -1 },
      { failures: "half" as "wrong" },
      { bootstrap: { resamples: 0 } },
      { votes: 0 },
      { orders: "reference" as "both" },
    ];
    for (const options of bad) await expect(evaluate(mine, judge, [pair("a")], options)).rejects.toThrow(ConfigError);
    expect(judge.calls).toEqual([]);
  });

  it("an empty set has no rates, and says so with null", async () => {
    for (const benchmark of [mine, vlRewardBench, mmRlhfRewardBench]) {
      const report = await evaluate(benchmark, firstJudge, []);
      expect(report).toMatchObject({
        n: 0,
        judge: null,
        averageAccuracy: null,
        positionBias: { firstRate: null, pValue: null },
      });
      expect(report.overall).toMatchObject({ accuracy: null, interval95: null, clusteredInterval95: null });
      expect(report.tokens).toMatchObject({ prompt: null, completion: null });
    }
  });

  it("keeps NaN and other nonsense of a judge out of records and report", async () => {
    const nonsense = { probability: NaN, latencyMs: NaN, usage: { promptTokens: Infinity, completionTokens: null } };
    const { report, records } = await withRecords(
      judgeOf(() => names(0), nonsense),
      [pair("__proto__"), pair("toString")],
    );
    expect(report.overall.correct).toBe(2);
    expect(report.latencyMs).toEqual({ p50: null, p95: null });
    expect(report.tokens).toMatchObject({ prompt: null, uncounted: 4 });
    expect(records[0]!.decision!.judgments[0]).toMatchObject({ probability: null, latencyMs: null });
    expect(JSON.parse(JSON.stringify(records))).toEqual(records);
  });

  it("an onRecord that throws stops the run with an OutputError", async () => {
    const onRecord = () => Promise.reject(new Error("disk full"));
    const run = evaluate(mine, firstJudge, [pair("a"), pair("b")], { onRecord });
    await expect(run).rejects.toThrow(OutputError);
    await expect(run).rejects.toThrow("onRecord: disk full");
  });

  it("an error of the data source is passed on, after what is under way has finished", async () => {
    const finished: string[] = [];
    async function* source() {
      yield pair("a");
      await Promise.resolve();
      throw new ConfigError("line 2 is broken");
    }
    const onRecord = ({ id }: EvalRecord) => void finished.push(id);
    await expect(
      evaluate(
        mine,
        judgeOf(() => names(0)),
        source(),
        { onRecord },
      ),
    ).rejects.toThrow("line 2 is broken");
    expect(finished).toEqual(["a"]);
  });
});
