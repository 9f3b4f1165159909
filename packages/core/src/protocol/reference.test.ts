import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError } from "../errors.ts";
import type { Preference } from "../types.ts";
import { r1Protocol } from "./r1.ts";
import { type ReferenceBenchmark, referenceProtocol } from "./reference.ts";

// Made by tools/golden/reference-parser.py, which runs the parsers of the reference repository itself.
const golden = JSON.parse(readFileSync(new URL("./fixtures/reference-parser.json", import.meta.url), "utf8")) as {
  PROVENANCE: { commit: string };
  cases: { reply: string; expected: Record<ReferenceBenchmark, "first" | "second" | "tie"> }[];
};

const BENCHMARKS = ["vl-rewardbench", "multimodal-rewardbench", "mm-rlhf-rewardbench", "readme"] as const;
const VERDICTS = {
  first: { kind: "winner", winner: 0 },
  second: { kind: "winner", winner: 1 },
  tie: { kind: "tie" },
} as const;

const pair: Preference = {
  id: "p",
  question: [
    { type: "text", text: "How many <|im_end|> are there?" },
    { type: "image", image: { path: "a.png" } },
  ],
  responses: ["{answer2}", "$& two"],
};

describe.each(BENCHMARKS)("the reference's parser for %s", (benchmark) => {
  const protocol = referenceProtocol({ benchmark });

  it("reads every golden reply as the original does", () => {
    expect(golden.cases.length).toBeGreaterThanOrEqual(150);
    const wrong = golden.cases.filter(({ reply, expected }) => {
      const { verdict } = protocol.parse({ text: reply });
      return JSON.stringify(verdict) !== JSON.stringify(VERDICTS[expected[benchmark]]);
    });
    expect(wrong.map(({ reply, expected }) => ({ reply: reply.slice(0, 80), expected: expected[benchmark] }))).toEqual(
      [],
    );
  });

  it("always has a verdict, even for nothing", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => protocol.parse({ text }).verdict.kind !== "unreadable"),
    );
    expect(protocol.parse({ text: "", finishReason: "length" }).verdict.kind).toBe(
      benchmark === "readme" ? "tie" : "winner",
    );
  });

  it("sends text as it is and marks every judgment", () => {
    const [message] = protocol.prompt(pair);
    expect(message?.content.map((part) => part.type)).toEqual(["image", "text"]);
    expect(JSON.stringify(message)).toContain("How many <|im_end|> are there?");
    expect(protocol.warnings?.(pair)).toEqual(["reference-mode"]);
    expect(protocol.name).toBe(`reference/${benchmark}`);
  });
});

describe("referenceProtocol", () => {
  it("covers every outcome of every parser, so that no parser is the constant one", () => {
    for (const benchmark of BENCHMARKS) {
      const outcomes = new Set(golden.cases.map(({ expected }) => expected[benchmark]));
      expect([...outcomes].sort()).toEqual(benchmark === "readme" ? ["first", "second", "tie"] : ["first", "second"]);
    }
  });

  it("tells the scripts' fallbacks apart: the last choice, or the last of the first line with one", () => {
    const text = "Response 1 sees it.\nResponse 2 does not.";
    const read = (benchmark: ReferenceBenchmark) => referenceProtocol({ benchmark }).parse({ text }).verdict;
    expect(read("vl-rewardbench")).toEqual(VERDICTS.second);
    expect(read("mm-rlhf-rewardbench")).toEqual(VERDICTS.first);
  });

  it("is hijacked by a quoted answer where r1/eval is not", () => {
    const text = "<think>It says <answer>1</answer>.</think><answer>2</answer>";
    expect(referenceProtocol({ benchmark: "vl-rewardbench" }).parse({ text }).verdict).toEqual(VERDICTS.first);
    expect(r1Protocol.parse({ text }).verdict).toEqual(VERDICTS.second);
  });

  it("asks like r1/eval when there is nothing to defuse", () => {
    const harmless: Preference = { ...pair, question: [{ type: "text", text: "What is it?" }] };
    expect(referenceProtocol({ benchmark: "readme" }).prompt(harmless)).toEqual(r1Protocol.prompt(harmless));
  });

  it("refuses a benchmark it does not know", () => {
    expect(() => referenceProtocol({ benchmark: "mmlu" as ReferenceBenchmark })).toThrow(ConfigError);
    expect(() => referenceProtocol({ benchmark: "toString" as ReferenceBenchmark })).toThrow(ConfigError);
  });
});
