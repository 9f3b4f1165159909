import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError, DatasetError } from "../errors.ts";
import type { Verdict } from "../types.ts";
import { customBenchmark } from "./benchmark.ts";
import { compareRuns } from "./compare-runs.ts";
import { formatComparison, formatReport } from "./format.ts";
import { readRecord } from "./read-record.ts";
import type { EvalRecord, Outcome } from "./records.ts";
import { reportRecords } from "./report.ts";

const VERDICTS: Readonly<Record<Exclude<Outcome, "failed">, Verdict>> = {
  correct: { kind: "winner", winner: 0 },
  wrong: { kind: "winner", winner: 1 },
  tie: { kind: "tie" },
  unreadable: { kind: "unreadable", why: "cut-off" },
};

const record = (key: string, outcome: Outcome, extra: Partial<EvalRecord> = {}): EvalRecord => {
  const judgment = (verdict: Verdict, swapped: boolean) => ({
    ...{ swapped, verdict, probability: null, latencyMs: 3, cached: false },
    usage: { promptTokens: 7, completionTokens: null },
  });
  const verdict = outcome === "failed" ? undefined : VERDICTS[outcome];
  const decision = verdict && {
    ...{ verdict, votes: [0, 0] as const, ties: 0, unreadable: 0 },
    ...{ consistent: verdict.kind === "winner", probability: null, probabilitySource: null },
    judgments: [judgment(verdict, false), judgment(verdict, true)],
  };
  return {
    ...{ key, status: decision ? "ok" : "failed", id: key, group: null, cluster: key.slice(0, 1) },
    categories: { category: key.length % 2 === 0 ? "even" : "odd" },
    human: 0,
    settings: {
      ...{ benchmark: "mine", judge: "j", placement: "both", votes: 2, seed: 0 },
      ...{ onTie: "tie", earlyStop: false },
    },
    ...{ correct: outcome === "correct", decision: decision ?? null },
    failure: decision ? null : { code: "R1_MODEL", message: "down" },
    ...extra,
  };
};

const outcome = fc.constantFrom<Outcome>("correct", "wrong", "tie", "unreadable", "failed");
const keys = fc.uniqueArray(fc.oneof(fc.string({ minLength: 1, maxLength: 3 }), fc.constantFrom("__proto__", "constructor")), { maxLength: 25 }); // prettier-ignore
const run = fc.tuple(keys, fc.array(outcome, { minLength: 25, maxLength: 25 }), fc.array(outcome, { minLength: 25, maxLength: 25 })); // prettier-ignore
const fast = { bootstrap: { resamples: 40 } };

describe("compareRuns", () => {
  it("counts what a plain loop counts, and is symmetric", () => {
    fc.assert(
      fc.property(run, fc.constantFrom("wrong" as const, "excluded" as const), ([names, first, second], failures) => {
        const a = names.map((name, i) => record(name, first[i]!));
        const b = names.map((name, i) => record(name, second[i]!));
        let [n, onlyA, onlyB] = [0, 0, 0];
        for (let i = 0; i < names.length; i += 1) {
          const undecided = [first[i], second[i]].some((each) => each === "failed" || each === "unreadable");
          if (failures === "excluded" && undecided) continue;
          n += 1;
          if (first[i] === "correct" && second[i] !== "correct") onlyA += 1;
          if (first[i] !== "correct" && second[i] === "correct") onlyB += 1;
        }
        const forth = compareRuns(a, b, { failures, ...fast });
        const back = compareRuns(b, [...a].reverse(), { failures, ...fast });
        expect(forth).toMatchObject({ n, onlyARight: onlyA, onlyBRight: onlyB, excluded: names.length - n });
        expect(back).toMatchObject({ pValue: forth.pValue, midP: forth.midP, accuracyA: forth.accuracyB });
        if (n === 0) expect(forth).toMatchObject({ difference: null, pValue: null, agreement: { rate: null } });
        else expect(back.difference! + forth.difference!).toBe(0);
        if (forth.interval95 !== null) {
          expect(back.interval95![0]).toBeCloseTo(-forth.interval95[1], 12);
          expect(back.interval95![1]).toBeCloseTo(-forth.interval95[0], 12);
        }
        expect(JSON.stringify(forth)).not.toMatch(/NaN|Infinity/);
      }),
    );
  });

  it("a run against itself: no difference, full agreement", () => {
    const a = [record("a1", "correct"), record("b1", "wrong"), record("c", "tie")];
    const same = compareRuns(a, a);
    expect(same).toMatchObject({
      difference: 0,
      interval95: [0, 0],
      pValue: 1,
      midP: 1,
      agreement: { rate: 1, kappa: 1 },
    });
    expect(same.warnings).toEqual([]);
    expect(same.splits.category).toMatchObject({ even: { n: 2, accuracyA: 0.5 }, odd: { n: 1, accuracyA: 0 } });
  });

  it("an exact test by hand: 1 against 9 discordant pairs", () => {
    const outcomes = Array.from({ length: 10 }, (_, i) => [`k${i}`, i === 0] as const);
    const a = outcomes.map(([key, right]) => record(key, right ? "correct" : "wrong"));
    const b = outcomes.map(([key, right]) => record(key, right ? "wrong" : "correct"));
    // 2 (C(10,0) + C(10,1)) / 2^10 = 22 / 1024; mid-p leaves out half of the second term on each side: 12 / 1024.
    expect(compareRuns(a, b)).toMatchObject({
      pValue: expect.closeTo(22 / 1024, 14),
      midP: expect.closeTo(12 / 1024, 14),
    });
  });

  it("the interval lies where the difference is: B better by far is above 0", () => {
    const names = Array.from({ length: 40 }, (_, i) => String.fromCharCode(97 + i));
    const a = names.map((key, i) => record(key, i < 10 ? "correct" : "wrong"));
    const b = names.map((key, i) => record(key, i < 36 ? "correct" : "wrong"));
    const { difference, interval95 } = compareRuns(a, b);
    expect(difference).toBe(0.65);
    expect(interval95![0]).toBeGreaterThan(0.4);
    expect(interval95![1]).toBeLessThan(0.9);
  });

  it("says what the runs do not share", () => {
    const b = record("a", "correct");
    const other = { ...b, settings: { ...b.settings, judge: "k", placement: "as-stored" as const, votes: 1 } };
    const compared = compareRuns([b, record("b", "wrong")], [other, { ...other, key: "c" }, { ...other, key: "d" }]);
    expect(compared).toMatchObject({ n: 1, onlyInA: 1, onlyInB: 2, judgeA: "j", judgeB: "k" });
    expect(compared.warnings).toEqual([
      "the runs differ in placement: both and as-stored",
      "the runs differ in votes: 2 and 1",
      "3 records are in one run only and were left out",
    ]);
    expect(() => compareRuns([b], [{ ...b, human: 1 }])).toThrow(ConfigError);
    expect(compareRuns([], []).warnings).toEqual(["one of the runs has no records"]);
  });
});

describe("reportRecords", () => {
  const mine = customBenchmark("mine");

  it("does not see the order of the records, and its intervals hold the rate", () => {
    fc.assert(
      fc.property(
        run,
        fc.constantFrom("wrong" as const, "excluded" as const, "coin-flip" as const),
        ([names, outcomes], failures) => {
          const records = names.map((name, i) => record(name, outcomes[i]!));
          const report = reportRecords(mine, records, { failures, ...fast });
          expect(reportRecords(mine, [...records].reverse(), { failures, ...fast })).toEqual(report);
          const { accuracy, interval95 } = report.overall;
          if (accuracy === null) expect(interval95).toBeNull();
          else expect(accuracy >= interval95![0] - 1e-12 && accuracy <= interval95![1] + 1e-12).toBe(true);
          const policy = { wrong: "wrong", excluded: "excluded", "coin-flip": "coinFlip" } as const;
          expect(report.accuracyByFailurePolicy[policy[failures]]).toBe(accuracy);
          expect(report.accuracyByTiePolicy.wrong).toBe(accuracy);
        },
      ),
    );
  });

  it("counts the last record of a key: a log may hold a failure and its repetition", () => {
    const report = reportRecords(mine, [record("a", "failed"), record("b", "wrong"), record("a", "correct")]);
    expect(report.overall).toMatchObject({ n: 2, correct: 1, failed: 0 });
  });

  it("refuses records of different runs", () => {
    const a = record("a", "correct");
    const b = { ...a, key: "b", settings: { ...a.settings, judge: "other" } };
    expect(() => reportRecords(mine, [a, b])).toThrow(
      'records: expected one run with judge "j", got "other" in record "a"',
    );
  });
});

describe("readRecord", () => {
  const where = { file: "run.jsonl", line: 3 };

  it("reads back what was written", () => {
    fc.assert(
      fc.property(fc.string(), outcome, (key, each) => {
        const written = record(key, each, { group: "g", categories: Object.fromEntries([["__proto__", "x"]]) });
        expect(readRecord(JSON.parse(JSON.stringify({ ...written, run: "extra" })), where)).toEqual(written);
      }),
    );
  });

  const good = record("a", "correct");
  const decision = good.decision!;
  it.each<readonly [string, unknown]>([
    ["expected an object", null],
    ["expected an object", [good]],
    ["key: expected a string, got nothing", {}],
    ["human: expected one of 0, 1, got 2", { ...good, human: 2 }],
    ["correct: expected true, by decision and human, got false", { ...good, correct: false }],
    ["status: expected failed if and only if", { ...good, status: "failed" }],
    ["exactly one of decision and failure", { ...good, decision: null }],
    ["settings.placement: expected one of", { ...good, settings: { ...good.settings, placement: "reference" } }],
    ["decision.votes: expected two counts", { ...good, decision: { ...decision, votes: [1] } }],
    ["decision.probability: expected a probability, got 2", { ...good, decision: { ...decision, probability: 2 } }],
    ["decision.verdict.kind: expected one of", { ...good, decision: { ...decision, verdict: { kind: "win" } } }],
    ["decision.judgments[0]: expected an object", { ...good, decision: { ...decision, judgments: [3] } }],
    ["categories.x: expected a string, got 1", { ...good, categories: { x: 1 } }],
  ])("refuses a record: %s", (message, value) => {
    expect(() => readRecord(value, where)).toThrow(DatasetError);
    expect(() => readRecord(value, where)).toThrow(message);
    expect(() => readRecord(value, where)).toThrow(/^run\.jsonl:3:/);
  });

  it("never throws anything but a DatasetError", () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(() => readRecord(JSON.parse(text), where)).toThrow(DatasetError);
      }),
    );
  });
});

describe("formatReport and formatComparison", () => {
  const many = Array.from({ length: 30 }, (_, i) => record(`${i}`, i % 3 === 0 ? "tie" : "correct"));

  it("shows the numbers that matter", () => {
    const text = formatReport(reportRecords(customBenchmark("mine"), [...many, record("x", "failed")]));
    expect(text).toMatch(/^mine, j: 31 pairs, both orders, 2 critiques each\n/);
    expect(text).toMatch(/overall +64\.52 % +20\/31 +\d\d\.\d–\d\d\.\d +\d\d\.\d–\d\d\.\d +10 +1\n/);
    expect(text).toContain("pass@k: k=1 64.52 %, k=2 64.52 % (an upper bound, not an accuracy)");
    expect(text).toContain("failed: 1 × down");
    expect(text).toContain("warning: the judge failed on 1 of 31 pairs");
  });

  it("no line is wider than asked, whatever the names are, and none holds a control character", () => {
    const name = fc.oneof(fc.string({ unit: "binary", maxLength: 60 }), fc.constant("\u001b[31m\n\r\u2028red"));
    fc.assert(
      fc.property(name, fc.integer({ min: 40, max: 200 }), (hostile, width) => {
        const settings = { ...many[0]!.settings, judge: hostile };
        const records = many.map((each) => ({ ...each, settings, categories: { category: hostile } }));
        const mine = customBenchmark(`mine ${hostile}`);
        const report = formatReport(reportRecords(mine, records, fast), { width });
        const compared = formatComparison(compareRuns(records, many, fast), { width });
        for (const line of `${report}${compared}`.split("\n")) {
          expect([...line].length).toBeLessThanOrEqual(width);
          expect(line).not.toMatch(/\p{Cc}|[\u2028\u2029]/u);
        }
      }),
    );
  });

  it("a long name gives way, the numbers stay; in a narrow terminal whole columns go", () => {
    const categories = { category: "a very long name of a category that does not fit into any terminal at all" };
    const report = reportRecords(customBenchmark("mine"), many.map((each) => ({ ...each, categories }))); // prettier-ignore
    expect(formatReport(report)).toMatch(/^ {2}a very long .*… +66\.67 % +20\/30 .* 10 +0$/m);
    expect(formatReport(report, { width: 40 })).toMatch(/^ {2}a very.*… +66\.67 % +20\/30$/m);
  });

  it("has something to say about nothing", () => {
    expect(formatReport(reportRecords(customBenchmark("mine"), []))).toContain("overall");
    expect(formatComparison(compareRuns([], []))).toContain("warning: one of the runs has no records");
  });
});
