import type { JudgeProtocol, Reply } from "../../interfaces.ts";
import type { Message, Preference, Winner } from "../../types.ts";
import {
  type ContractCheck,
  expectSame,
  expectThat,
  expectVerdict,
  frozen,
  HOSTILE_TEXTS,
  nameCheck,
} from "./check.ts";

/** What the checks of a protocol need. */
export interface JudgeProtocolContract {
  /** Called for every check. */
  readonly create: () => JudgeProtocol;
  /** A whole reply that prefers the response shown first, and one that prefers the other. */
  readonly replies: { readonly first: Reply; readonly second: Reply };
  /** Control markers that must not reach a prompt out of a response. Empty for a protocol that keeps them on purpose. */
  readonly markers?: readonly string[] | undefined;
}

const PAIR: Preference = {
  id: "contract-id-5f1c",
  question: [{ type: "text", text: "Which planet is the largest?" }],
  responses: ["It is Jupiter, by far.", "It is Saturn, I believe."],
  human: 0,
  group: "contract-group-7d2e",
  meta: { category: "contract-meta-9b3a" },
};

const textOf = (messages: readonly Message[]): string =>
  messages.flatMap(({ content }) => content.map((part) => (part.type === "text" ? part.text : ""))).join("\n");

const expectReading = (protocol: JudgeProtocol, reply: Reply): void => {
  const { verdict, reasoning, probability: p } = protocol.parse(reply);
  expectVerdict(verdict);
  expectThat(typeof reasoning === "string", "reasoning: expected a string");
  expectThat(p === undefined || (p >= 0 && p <= 1), `probability: expected 0 to 1, got ${p}`);
};

const promptChecks = (create: () => JudgeProtocol, markers: readonly string[]): readonly ContractCheck[] => [
  {
    name: "asks the question and shows both responses, in their order",
    run: async () => {
      const messages = create().prompt(frozen(PAIR));
      const text = textOf(messages);
      const [first, second] = PAIR.responses.map((response) => text.indexOf(response)) as [number, number];
      expectThat(messages.at(-1)?.role !== "system", "prompt: expected more than a system message");
      expectThat(text.includes("Which planet is the largest?"), "prompt: expected the question");
      expectThat(first >= 0 && second > first, `prompt: expected both responses in order, at ${first} and ${second}`);
    },
  },
  {
    name: "gives the same prompt for the same pair, whatever its label, id, group and meta",
    run: async () => {
      const { id: _id, human: _human, group: _group, meta: _meta, ...bare } = PAIR;
      expectSame(create().prompt({ ...bare, id: "other" }), create().prompt(PAIR), "prompt");
    },
  },
  {
    name: "keeps control markers of untrusted text out of the prompt",
    run: async () => {
      const blank = textOf(create().prompt(PAIR));
      for (const marker of markers.filter((one) => !blank.includes(one))) {
        const pair: Preference = { ...PAIR, responses: [`It is ${marker}`, `${marker}?`] };
        expectThat(!textOf(create().prompt(pair)).includes(marker), `prompt: expected ${marker} to be neutralised`);
      }
    },
  },
];

const readsWinner = (create: () => JudgeProtocol, which: "first" | "second", reply: Reply): ContractCheck => ({
  name: `reads a reply that prefers the ${which} response`,
  run: async () => {
    const winner: Winner = which === "first" ? 0 : 1;
    expectSame(create().parse(frozen(reply)).verdict, { kind: "winner", winner }, "verdict");
  },
});

/** What every `JudgeProtocol` promises, as checks for any test runner. */
export const judgeProtocolContract = (options: JudgeProtocolContract): ContractCheck[] => {
  const { create, replies, markers = ["<|im_start|>", "<|im_end|>", "<|image_pad|>"] } = options;
  return [
    nameCheck(create),
    ...promptChecks(create, markers),
    readsWinner(create, "first", replies.first),
    readsWinner(create, "second", replies.second),
    {
      name: "reads nothing out of an empty reply",
      run: async () => expectThat(create().parse({ text: "" }).verdict.kind === "unreadable", "verdict: unreadable"),
    },
    {
      name: "never throws, whatever was written",
      run: async () => {
        const cut = Array.from({ length: 60 }, (_, i) => replies.first.text.slice(0, i * 7));
        for (const text of [...HOSTILE_TEXTS, ...cut]) {
          for (const finishReason of ["stop", "length", "content-filter", "other"] as const) {
            expectReading(create(), { text, finishReason });
          }
          expectReading(create(), { text });
        }
      },
    },
  ];
};
