import { describe, expect, it } from "vitest";
import type { TokenLogp } from "../types.ts";
import { r1Protocol } from "./r1.ts";
import { rmR1Protocol } from "./rm-r1.ts";
import { unifiedRewardProtocol } from "./unified-reward.ts";

const at = (token: string, logp = -0.01, top: [string, number][] = []): TokenLogp => ({
  token,
  logp,
  top: top.map(([t, l]) => ({ token: t, logp: l })),
});

const tokens = (...texts: string[]): TokenLogp[] => texts.map((text) => at(text));

const joined = (logps: readonly TokenLogp[]): string => logps.map((t) => t.token).join("");

const THOUGHT = tokens(
  "<think>",
  "Response",
  " ",
  "1",
  " has ",
  "2",
  " errors",
  "</",
  "think",
  ">",
  "<",
  "answer",
  ">",
);
const END = tokens("</", "answer", ">");

const read = (digit: TokenLogp, before = THOUGHT, after = END, text?: string) => {
  const logps = [...before, digit, ...after];
  return r1Protocol.parse({ text: text ?? joined(logps), logps }).probability;
};

describe("the probability at the answer", () => {
  // ln 0.6 = -0.5108256237659907, ln 0.2 = -1.6094379124341003: 0.6 / (0.6 + 0.2) = 0.75.
  it("renormalises the two digits at the answer's own token", () => {
    const top: [string, number][] = [
      ["1", -0.5108256237659907],
      ["2", -1.6094379124341003],
      ["3", -2],
    ];
    expect(read(at("1", -0.5108256237659907, top))).toBeCloseTo(0.75, 12);
    expect(read(at("2", -1.6094379124341003, top))).toBeCloseTo(0.75, 12);
  });

  it("takes the sampled token's own log-probability when it is not among the alternatives", () => {
    expect(read(at("2", Math.log(0.1), [["1", Math.log(0.3)]]))).toBeCloseTo(0.75, 12);
  });

  it("is not misled by other digits with tempting alternatives", () => {
    const tempting = THOUGHT.map((t) => (t.token === "1" ? at("1", 0, [["2", -50]]) : t));
    expect(read(at("2", Math.log(0.5), [["1", Math.log(0.5)]]), tempting)).toBeCloseTo(0.5, 12);
  });

  it("is left out when the other digit is unknown, and never a bound", () => {
    expect(read(at("1", -1e-6))).toBeUndefined();
    expect(
      read(
        at("1", -0.1, [
          ["1", -0.1],
          ["3", -3],
        ]),
      ),
    ).toBeUndefined();
    expect(read(at("1", -0.1, [["2", -Infinity]]))).toBeUndefined();
    expect(read(at("1", -0.1, [["2", NaN]]))).toBeUndefined();
    expect(read(at("1", -0.1, [["2", -9999]]))).toBeUndefined();
    expect(read(at("1", NaN, [["2", -1]]))).toBeUndefined();
  });

  it("stays finite at the ends", () => {
    expect(read(at("1", 0, [["2", -5000]]))).toBe(1);
    expect(read(at("2", 0, [["1", -5000]]))).toBe(0);
  });

  it("compares tokens of the same shape when the digit shares its token", () => {
    const glued = at(">1</", Math.log(0.6), [
      ["1", -0.01],
      ["2", -9],
      [">2</", Math.log(0.2)],
    ]);
    expect(read(glued, THOUGHT.slice(0, -1), tokens("answer", ">"))).toBeCloseTo(0.75, 12);
    expect(read(at("\n1", Math.log(0.6), [["2", -1]]))).toBeUndefined();
    expect(read(at("\n1", Math.log(0.6), [["\n2", Math.log(0.2)]]))).toBeCloseTo(0.75, 12);
  });

  it("survives broken characters in the thought and an end token after the answer", () => {
    const broken = [...tokens("<think>", "\ufffd", "\ufffd"), ...THOUGHT.slice(1)];
    const after = [...END, at("<|im_end|>")];
    const digit = at("1", Math.log(0.6), [["2", Math.log(0.2)]]);
    expect(read(digit, broken, after, `<think>🐕${joined(THOUGHT.slice(1))}1</answer>`)).toBeCloseTo(0.75, 12);
  });

  it("is left out when the tokens tell another story than the text", () => {
    const digit = at("1", Math.log(0.6), [["2", Math.log(0.2)]]);
    expect(read(digit, THOUGHT, END, "<think>t</think><answer>2</answer>")).toBeUndefined();
    expect(read(digit, THOUGHT, [], "<think>t</think><answer>1</answer>")).toBeUndefined();
    expect(r1Protocol.parse({ text: "<answer>1</answer>", logps: [] }).probability).toBeUndefined();
    expect(r1Protocol.parse({ text: "<answer>1</answer>", logps: tokens("token_id:16") }).probability).toBeUndefined();
  });

  it("comes with a winner only", () => {
    expect(
      read(
        at("3", -0.1, [
          ["1", -1],
          ["2", -1],
        ]),
      ),
    ).toBeUndefined();
  });

  it("finds the differing part of longer labels", () => {
    const letter = at("A", Math.log(0.6), [["B", Math.log(0.2)]]);
    const logps = [...tokens("<answer>", "[["), letter, ...tokens("]]", "</answer>")];
    expect(rmR1Protocol.parse({ text: joined(logps), logps }).probability).toBeCloseTo(0.75, 12);
    const sentence = [
      ...tokens("So Answer 1", " wins? No: ", "Answer", " "),
      at("2", Math.log(0.2), [["1", Math.log(0.6)]]),
      ...tokens(" is", " better"),
    ];
    expect(unifiedRewardProtocol.parse({ text: joined(sentence), logps: sentence }).probability).toBeCloseTo(0.75, 12);
  });
});
