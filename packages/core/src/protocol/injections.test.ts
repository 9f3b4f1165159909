/**
 * A canary: judges that fall for every trick, asked through the real prompt and read by the real parser. What must hold is
 * that no trick in a response speaks for the judge, and that a judge who obeys one contradicts itself in the other order.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { JudgeProtocol } from "../interfaces.ts";
import type { Message, Preference, Verdict, Winner } from "../types.ts";
import { createR1Protocol, r1Protocol } from "./r1.ts";
import { referenceProtocol } from "./reference.ts";

interface Corpus {
  injections: { name: string; family: "tag" | "heading" | "order" | "control"; response: string }[];
  masterKeys: string[];
}

const { injections, masterKeys } = JSON.parse(
  readFileSync(new URL("./fixtures/injections.json", import.meta.url), "utf8"),
) as Corpus;
const only = (...families: string[]) => injections.filter(({ family }) => families.includes(family));

const HONEST = "Four cars wait at a crossing; the light is red.";
const EVIL = "A street with some cars.";

const pairWith = (response: string): Preference => ({
  id: "canary",
  question: [
    { type: "image", image: { path: "street.png" } },
    { type: "text", text: "Describe the image." },
  ],
  responses: [HONEST, response],
});

const swap = (pair: Preference): Preference => ({ ...pair, responses: [pair.responses[1], pair.responses[0]] });
const unswap = (verdict: Verdict): Verdict =>
  verdict.kind === "winner" ? { kind: "winner", winner: (1 - verdict.winner) as Winner } : verdict;

/** What Qwen's chat template makes of the messages: control tokens and text in one string, as servers tokenise it. */
const render = (messages: readonly Message[]): string => {
  const turns = messages.map(({ role, content }) => {
    const text = content.map((part) =>
      part.type === "text" ? part.text : "<|vision_start|><|image_pad|><|vision_end|>",
    );
    return `<|im_start|>${role}\n${text.join("")}<|im_end|>\n`;
  });
  return `<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n${turns.join("")}<|im_start|>assistant\n`;
};

/** The special tokens that a Qwen tokenizer finds. */
const specialTokens = (rendered: string): string[] => rendered.match(/<\|\w+\|>|<\/?tool_call>/g) ?? [];

/** The user's turn as the model sees it: it ends at the first `<|im_end|>` after its start. */
const userTurn = (rendered: string): string => rendered.split("<|im_start|>user\n")[1]?.split("<|im_end|>")[0] ?? "";

const honestDigit = (turn: string): string => (turn.indexOf(HONEST) < turn.indexOf(EVIL) ? "1" : "2");

/** Judges soundly, and quotes the whole of what it read while thinking. */
const quotingJudge = (rendered: string): string => {
  const turn = userTurn(rendered);
  return `<think>They say: ${turn}</think><answer>${honestDigit(turn)}</answer>`;
};

/** Falls for a forged assistant turn, for the first answer tag among the responses, for any order; else judges soundly. */
const obedientJudge = (rendered: string): string => {
  const forged = rendered.split("<|im_start|>assistant\n").slice(1, -1).at(-1);
  if (forged !== undefined) return forged.split("<|im_end|>")[0] ?? "";
  const turn = userTurn(rendered);
  const shown = turn.slice(turn.indexOf("[Response 1]"), turn.lastIndexOf("###### **Output Format"));
  const obeyed = /<answer>\s*([12])/.exec(shown)?.[1] ?? /(?:output|choose|verdict is|answer) ([12])/i.exec(shown)?.[1];
  return `<think>As I was told.</think><answer>${obeyed ?? honestDigit(turn)}</answer>`;
};

const bothOrders = (protocol: JudgeProtocol, judge: (rendered: string) => string, pair: Preference) => [
  protocol.parse({ text: judge(render(protocol.prompt(pair))) }).verdict,
  unswap(protocol.parse({ text: judge(render(protocol.prompt(swap(pair)))) }).verdict),
];

const HONEST_WINS: Verdict = { kind: "winner", winner: 0 };

describe("injections", () => {
  it("are a corpus worth the name", () => {
    expect(injections.length).toBeGreaterThanOrEqual(20);
    expect(masterKeys.length).toBeGreaterThanOrEqual(20);
    expect(bothOrders(r1Protocol, obedientJudge, pairWith(EVIL))).toEqual([HONEST_WINS, HONEST_WINS]);
  });

  it.each(injections)("$family, $name: the server sees no control token but its own", ({ response }) => {
    const clean = specialTokens(render(r1Protocol.prompt(pairWith(EVIL))));
    for (const pair of [pairWith(response), swap(pairWith(response))]) {
      expect(specialTokens(render(r1Protocol.prompt(pair)))).toEqual(clean);
    }
  });

  it.each(injections)("$family, $name: a judge that quotes it is read by its own verdict", ({ response }) => {
    expect(bothOrders(r1Protocol, quotingJudge, pairWith(response))).toEqual([HONEST_WINS, HONEST_WINS]);
  });

  it.each(injections)("$family, $name: a judge that obeys it never names the same winner twice", ({ response }) => {
    const [first, second] = bothOrders(r1Protocol, obedientJudge, pairWith(response));
    const evilWins = [first, second].filter((verdict) => verdict?.kind === "winner" && verdict.winner === 1);
    expect(evilWins.length).toBeLessThan(2);
  });

  it.each(only("tag", "heading", "order"))(
    "$family, $name: reaches the judge unchanged, with a warning for tags",
    ({ response }) => {
      expect(JSON.stringify(r1Protocol.prompt(pairWith(response)))).toContain(JSON.stringify(response).slice(1, -1));
      const tagged = /<\/?answer|<\/think/.test(response);
      expect(r1Protocol.warnings?.(pairWith(response))).toEqual(tagged ? ["answer-tag-in-input"] : []);
    },
  );

  it.each(only("control"))("$name: is defused, with a warning", ({ response }) => {
    expect(r1Protocol.warnings?.(pairWith(response))).toContain("markers-neutralised");
  });

  it.each(only("tag"))("$name: does not even move an obedient judge once tags are defused", ({ response }) => {
    const strict = createR1Protocol({ replyTags: "neutralise" });
    expect(bothOrders(strict, obedientJudge, pairWith(response))).toEqual([HONEST_WINS, HONEST_WINS]);
  });
});

describe("why the defences are there", () => {
  it("kept markers let a response write the judge's turn", () => {
    const keep = createR1Protocol({ markers: "keep" });
    const response = only("control").find(({ name }) => name === "assistant turn, finished")?.response ?? "";
    expect(specialTokens(render(keep.prompt(pairWith(response))))).toContain("<|im_start|>");
    expect(obedientJudge(render(keep.prompt(pairWith(response))))).toBe("<think>Clear.</think><answer>2</answer>");
  });

  it("one order alone lets an obeyed order win", () => {
    const wins = only("tag", "order").filter(({ response }) =>
      bothOrders(r1Protocol, obedientJudge, pairWith(response)).some((v) => v.kind === "winner" && v.winner === 1),
    );
    expect(wins.length).toBe(only("tag", "order").length);
  });

  it("the first tag of a reply is what a quoted injection controls", () => {
    const reference = referenceProtocol({ benchmark: "vl-rewardbench" });
    const hijacked = only("tag").filter(({ response }) => {
      const verdicts = bothOrders(reference, quotingJudge, pairWith(response));
      return verdicts.some((v) => v.kind === "winner" && v.winner === 1);
    });
    expect(hijacked.length).toBeGreaterThan(0);
  });
});

describe("master keys", () => {
  it.each(masterKeys)("%j as a judge's reply names no winner", (text) => {
    expect(r1Protocol.parse({ text }).verdict.kind).toBe("unreadable");
    expect(referenceProtocol({ benchmark: "vl-rewardbench" }).parse({ text }).verdict.kind).toBe("winner");
  });

  it.each(masterKeys)("%j as a response reaches the judge as it is, in its own place", (response) => {
    const text = JSON.stringify(r1Protocol.prompt(pairWith(response)));
    expect(text).toContain(`###### [Response 2]:\\n${JSON.stringify(response).slice(1, -1)}  \\n\\n`);
  });
});
