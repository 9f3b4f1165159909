import { GEPA, type GEPAAdapter } from "@currentai/dsts";
import { beforeEach, describe, expect, expectTypeOf, it, vi } from "vitest";
import { dstsAdapter } from "../src/dsts/index.ts";
import { numberJudge } from "../src/scoring/judge.test-kit.ts";
import type { OnErrorNumeric } from "../src/scoring/types.ts";

const trainset = [{ question: "one?" }, { question: "two?" }];

const adapterFor = (judge = numberJudge(), onError: OnErrorNumeric = "throw") =>
  dstsAdapter<{ question: string }, string>({
    judge,
    onError,
    run: (_datum, candidate) => `good ${candidate["system"]!.includes("IMPROVED") ? 9 : 1}`,
    read: ({ question }, output) => ({ question, response: output, reference: "good 5" }),
  });

describe("dsts", () => {
  // The optimiser prints its diffs whatever its logger is.
  beforeEach(() => {
    const log = vi.spyOn(console, "log").mockImplementation(() => undefined);
    return () => log.mockRestore();
  });

  it("has the package's type", () => {
    expectTypeOf(adapterFor()).toExtend<GEPAAdapter>();
  });

  it("finds the prompt that the judge prefers, with critiques in the reflection prompt", async () => {
    const reflections: string[] = [];
    const adapter = adapterFor();
    const result = await new GEPA({
      seedCandidate: { system: "Answer." },
      trainset,
      adapter,
      reflectionLM: async (prompt) => {
        reflections.push(prompt);
        return "```\nIMPROVED: answer well.\n```";
      },
      maxMetricCalls: 20,
      maxIterations: 2,
      reflectionMinibatchSize: 2,
      seed: 1,
    }).optimize();
    expect(result.bestScore).toBe(1);
    expect(result.bestCandidate["system"]).toContain("IMPROVED");
    expect(reflections[0]).toContain("the judge preferred the other");
    adapter.assertHealthy();
  });

  it("throws out of optimize, or counts the number that was asked for", async () => {
    const broken = { name: "out", asked: [], judge: () => Promise.reject(new Error("down")) };
    const optimize = (onError: OnErrorNumeric) => {
      const adapter = adapterFor(broken, onError);
      const options = { seedCandidate: { system: "a" }, trainset, adapter, reflectionLM: async () => "b" };
      return { adapter, result: new GEPA({ ...options, maxMetricCalls: 4, maxIterations: 1 }).optimize() };
    };
    await expect(optimize("throw").result).rejects.toThrow(/down/);
    const { adapter, result } = optimize(0);
    expect((await result).bestScore).toBe(0);
    expect(() => adapter.assertHealthy()).toThrow(/have no score \(\d+ threw\)/);
  });

  it("gives no NaN to an optimiser that takes it", async () => {
    const adapter = dstsAdapter<string, string>({
      judge: numberJudge(),
      onError: 0.2,
      scalarise: { name: "nan", scalarise: (all) => all.map(async () => ({ value: Number.NaN, critique: "" })) },
      run: () => "x",
      read: (question, response) => ({ question, response }),
    });
    expect((await adapter.evaluate(["q"], {})).scores).toEqual([0.2]);
    expect(adapter.stats().failed["not-finite"]).toBe(1);
  });
});
