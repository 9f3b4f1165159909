import { describe, expect, it } from "vitest";
import { ConfigError } from "../errors.ts";
import type { JudgeProtocol } from "../interfaces.ts";
import type { Preference, Verdict } from "../types.ts";
import { defineTaggedProtocol } from "./define-protocol.ts";
import { createPlainProtocol, plainProtocol } from "./plain.ts";
import { createR1Protocol, r1Protocol } from "./r1.ts";
import { createRmR1Protocol, rmR1Protocol } from "./rm-r1.ts";
import { createUnifiedRewardProtocol, unifiedRewardProtocol, unifiedRewardThinkProtocol } from "./unified-reward.ts";

const pair: Preference = {
  id: "p",
  question: [
    { type: "text", text: "QUESTION <|im_end|>" },
    { type: "image", image: { path: "a.png" } },
  ],
  responses: ["FIRST {answer2}", "SECOND $&"],
};

const FIRST: Verdict = { kind: "winner", winner: 0 };
const SECOND: Verdict = { kind: "winner", winner: 1 };
const TIE: Verdict = { kind: "tie" };
const no = (why: Extract<Verdict, { kind: "unreadable" }>["why"]): Verdict => ({ kind: "unreadable", why });

/** Every protocol with a reply for each of its verdicts. */
const PROTOCOLS: readonly [JudgeProtocol, readonly [string, Verdict][]][] = [
  [
    r1Protocol,
    [
      ["<answer>1</answer>", FIRST],
      ["<answer>2</answer>", SECOND],
      ["<answer>A</answer>", no("bad-answer")],
    ],
  ],
  [
    createR1Protocol({ preset: "train" }),
    [
      ["<answer>1</answer>", FIRST],
      ["<answer>2</answer>", SECOND],
    ],
  ],
  [
    plainProtocol,
    [
      ["<answer>A</answer>", FIRST],
      ["<answer> B </answer>", SECOND],
      ["<answer>tie</answer>", TIE],
      ["<answer>a</answer>", no("bad-answer")],
    ],
  ],
  [
    createPlainProtocol({ ties: false }),
    [
      ["<answer>A</answer>", FIRST],
      ["<answer>B</answer>", SECOND],
      ["<answer>tie</answer>", no("bad-answer")],
    ],
  ],
  [
    unifiedRewardProtocol,
    [
      ["Both are fine. Answer 1 is better", FIRST],
      ["Answer 1 is better on colour, but overall Answer 2 is better.", SECOND],
      ["Answer 12 is better", no("no-answer")],
      ["answer 1 is better", no("no-answer")],
    ],
  ],
  [
    unifiedRewardThinkProtocol,
    [
      ["<think>Answer 1 (9/10)</think>\n<answer>Answer 1 is better</answer>", FIRST],
      ["<think>Answer 1 is better?</think><answer>Answer 2 is better</answer>", SECOND],
      ["<think>x</think><answer>Answer 2 is better.</answer>", no("bad-answer")],
      ["<think>Answer 1 is better</think>", no("no-answer")],
    ],
  ],
  [
    rmR1Protocol,
    [
      ["<type>Chat</type><eval>x</eval>\n<answer>[[A]]</answer>", FIRST],
      ["<answer>[[B]]</answer>", SECOND],
      ["<answer>[[A/B]]</answer>", no("bad-answer")],
      ["[[A]]", no("no-answer")],
    ],
  ],
  [createRmR1Protocol({ variant: "reasoning" }), [["<think>x</think> so <answer>[[A]]</answer>", FIRST]]],
];

describe.each(PROTOCOLS.map(([protocol, replies]) => ({ name: protocol.name, protocol, replies })))(
  "$name",
  ({ protocol, replies }) => {
    it("reads its own verdicts", () => {
      for (const [text, verdict] of replies) expect(protocol.parse({ text }).verdict, text).toEqual(verdict);
    });

    it("shows everything once, defused, in the order given, and ends with the user's turn", () => {
      const messages = protocol.prompt(pair);
      const text = messages.flatMap((m) => m.content.map((p) => (p.type === "text" ? p.text : ""))).join("");
      for (const piece of ["QUESTION <\u200B|im_end|>", "FIRST {answer2}", "SECOND $&"])
        expect(text.split(piece), piece).toHaveLength(2);
      expect(text.indexOf("QUESTION")).toBeLessThan(text.indexOf("FIRST"));
      expect(text.indexOf("FIRST")).toBeLessThan(text.indexOf("SECOND"));
      expect(messages.at(-1)?.role).toBe("user");
      expect(messages.at(-1)?.content.filter((part) => part.type === "image")).toHaveLength(1);
      expect(protocol.warnings?.(pair)).toEqual(["markers-neutralised"]);
    });

    it("only differs between the two orders by what it was given", () => {
      const swapped = { ...pair, responses: [pair.responses[1], pair.responses[0]] as const };
      const exchanged = JSON.stringify(protocol.prompt(pair)).replace(/FIRST \{answer2\}|SECOND \$&/g, (m) =>
        m.startsWith("F") ? "SECOND $&" : "FIRST {answer2}",
      );
      expect(JSON.stringify(protocol.prompt(swapped))).toBe(exchanged);
    });

    it("reads nothing into a reply that did not end, was filtered, is empty or too long", () => {
      const [text] = replies[0] as [string, Verdict];
      expect(protocol.parse({ text, finishReason: "length" }).verdict).toEqual(no("cut-off"));
      expect(protocol.parse({ text, finishReason: "content-filter" }).verdict).toEqual(no("refused"));
      expect(protocol.parse({ text: "  \n" }).verdict).toEqual(no("empty"));
      expect(protocol.parse({ text: " ".repeat(300_000) + text }).verdict).toEqual(no("too-long"));
    });
  },
);

describe("names", () => {
  it("are distinct and follow the options", () => {
    const names = PROTOCOLS.map(([protocol]) => protocol.name);
    expect(new Set(names).size).toBe(names.length);
    expect(createPlainProtocol({ contentOrder: "text-first" }).name).toBe("plain/v1+text-first");
    expect(createUnifiedRewardProtocol({ template: "{question} {answer1} {answer2}" }).name).toBe(
      "unified-reward/v1+template",
    );
    expect(createRmR1Protocol({ system: "Judge." }).name).toBe("rm-r1/instruct-v1+template");
  });
});

describe("own wording", () => {
  it("replaces the prompt and keeps the reading", () => {
    const own = createRmR1Protocol({ variant: "reasoning", system: "S", template: "{question}|{answer1}|{answer2}" });
    expect(own.prompt(pair).map((m) => m.role)).toEqual(["system", "user"]);
    expect(own.parse({ text: "<answer>[[B]]</answer>" }).verdict).toEqual(SECOND);
    expect(() => createRmR1Protocol({ variant: "other" as never })).toThrow(ConfigError);
  });
});

describe("defineTaggedProtocol", () => {
  const template = "{question} {answer1} {answer2}";

  it("makes a protocol of a template and labels", () => {
    const letters = defineTaggedProtocol({
      name: "x/v1",
      template,
      labels: { first: "left", second: "right", tie: "same" },
    });
    expect(letters.name).toBe("x/v1");
    expect(letters.parse({ text: "<answer>right</answer>" }).verdict).toEqual(SECOND);
    expect(letters.parse({ text: "<answer>same</answer>" }).verdict).toEqual(TIE);
  });

  it("refuses labels that could not be told apart or never be read", () => {
    const make = (labels: { first: string; second: string; tie?: string }) => () =>
      defineTaggedProtocol({ name: "x", template, labels });
    expect(make({ first: "1", second: "1" })).toThrow(ConfigError);
    expect(make({ first: "1", second: "2", tie: "2" })).toThrow(ConfigError);
    expect(make({ first: "", second: "2" })).toThrow(ConfigError);
    expect(make({ first: " 1", second: "2" })).toThrow(ConfigError);
  });
});
