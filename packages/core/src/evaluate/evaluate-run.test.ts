import { describe, expect, it } from "vitest";
import { firstJudge, longerJudge, randomJudge } from "../baselines.ts";
import { AbortError } from "../errors.ts";
import type { PairwiseJudge } from "../interfaces.ts";
import { evaluate } from "./evaluate.ts";
import { judgeOf, mine, names, pair, withRecords } from "./fixtures/scripted-judge.ts";
import type { EvalRecord } from "./records.ts";

describe("running", () => {
  const pairs = Array.from({ length: 12 }, (_, i) => pair(`p${i}`));

  it("hands records over one at a time and keeps no more than `concurrency` pairs under way", async () => {
    let [writing, underWay, most] = [0, 0, 0];
    const judge: PairwiseJudge = {
      name: "slow",
      judge: async (of, options) => {
        underWay += 1;
        most = Math.max(most, underWay);
        await new Promise((resolve) => setTimeout(resolve, 1));
        underWay -= 1;
        return firstJudge.judge(of, options);
      },
    };
    const onRecord = async () => {
      expect(writing).toBe(0);
      writing += 1;
      await new Promise((resolve) => setTimeout(resolve, 1));
      writing -= 1;
    };
    await evaluate(mine, judge, pairs, { orders: "random", concurrency: 3, onRecord });
    expect(most).toBe(3);
  });

  it("stops when the signal fires, closes the source, and keeps what was finished", async () => {
    const controller = new AbortController();
    let closed = false;
    function* source() {
      try {
        yield* pairs;
      } finally {
        closed = true;
      }
    }
    const records: EvalRecord[] = [];
    const onRecord = (record: EvalRecord) => {
      records.push(record);
      if (records.length === 3) controller.abort(new Error("enough"));
    };
    const judge = judgeOf(() => names(0));
    const run = evaluate(mine, judge, source(), { concurrency: 1, onRecord, signal: controller.signal });
    await expect(run).rejects.toThrow(AbortError);
    expect(records.map(({ status }) => status)).toEqual(["ok", "ok", "ok"]);
    expect(closed).toBe(true);
    expect(new Set(judge.calls).size).toBe(3);
    await expect(evaluate(mine, judge, pairs, { signal: AbortSignal.abort() })).rejects.toThrow(AbortError);
  });

  it("resumes: pairs that were decided are not judged again, failed ones are, and the report is the same", async () => {
    const flaky = judgeOf((id) => (id === "p3" ? new Error("busy") : names(0)));
    const { records } = await withRecords(flaky, pairs.slice(0, 6));
    const judge = judgeOf(() => names(0));
    const fresh = await withRecords(
      judgeOf(() => names(0)),
      pairs,
    );
    const emitted: string[] = [];
    const onRecord = ({ id }: EvalRecord) => void emitted.push(id);
    const saved = JSON.parse(JSON.stringify(records)) as EvalRecord[];
    const report = await evaluate(mine, judge, pairs, { resume: saved, onRecord });
    expect(emitted.sort()).toEqual(["p10", "p11", "p3", "p6", "p7", "p8", "p9"]);
    expect(report).toEqual(fresh.report);
  });

  it("will not resume a run that was made differently", async () => {
    const { records } = await withRecords(firstJudge, pairs);
    await expect(evaluate(mine, longerJudge, pairs, { resume: records })).rejects.toThrow(
      'resume: expected records with judge "baseline:longer", got "baseline:first"',
    );
    await expect(evaluate(mine, firstJudge, pairs, { resume: records, votes: 4 })).rejects.toThrow(/votes 4, got 2/);
  });

  it("ids may repeat, and so may whole records", async () => {
    const twins = [pair("same"), { ...pair("same"), responses: ["x", "y"] as const }, pair("same"), pair("same")];
    const { report, records } = await withRecords(
      judgeOf(() => names(0)),
      twins,
    );
    expect(report.n).toBe(4);
    expect(new Set(records.map(({ key }) => key)).size).toBe(4);
    const judge = judgeOf(() => names(0));
    await evaluate(mine, judge, twins, { resume: records });
    expect(judge.calls).toEqual([]);
  });

  it("pass@k is there with votes, marked as an upper bound, and grows for a coin", async () => {
    const many = Array.from({ length: 300 }, (_, i) => pair(`p${i}`));
    const report = await evaluate(mine, randomJudge(1), many, { votes: 4 });
    expect(report.passAtK!.upperBound).toBe(true);
    expect(report.passAtK!.byK.map(({ k }) => k)).toEqual([1, 2, 3, 4]);
    // A fair coin: 1 − 2^−k. 300 pairs: standard error below 0.03.
    for (const { k, rate } of report.passAtK!.byK) expect(Math.abs(rate - (1 - 0.5 ** k))).toBeLessThan(0.1);
    expect(report.passAtK!.byK[0]!.rate).toBeCloseTo(report.averageAccuracy!, 12);
  });

  it("counts tokens, and those that were paid for, and latency without the cache", async () => {
    const cached = judgeOf(() => names(0), { cached: true, latencyMs: 999 });
    const paid = judgeOf(() => names(0));
    const mixed: PairwiseJudge = {
      name: "mixed",
      judge: (of, options) => (options?.swapped ? cached : paid).judge(of, options),
    };
    const report = await evaluate(mine, mixed, pairs);
    expect(report).toMatchObject({ judgments: 24, cached: 12, latencyMs: { p50: 5, p95: 5 } });
    expect(report.tokens).toEqual({
      prompt: 2400,
      completion: 240,
      paidPrompt: 1200,
      paidCompletion: 120,
      uncounted: 0,
    });
  });
});
