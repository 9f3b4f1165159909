/** The suites pass what is right, and name what is wrong: every check fails for some broken implementation. */
import { describe, expect, test } from "vitest";
import { longerJudge, randomJudge } from "../../baselines.ts";
import { memoryCache } from "../../cache/memory-cache.ts";
import type {
  ChatModel,
  JudgeProtocol,
  PairwiseJudge,
  Reading,
  ResponseCache,
  RewardFunction,
  RewardResult,
} from "../../interfaces.ts";
import { r1Protocol } from "../../protocol/r1.ts";
import type { Completion, Judgment, Preference, Sample } from "../../types.ts";
import { scriptedModel } from "../scripted-model.ts";
import {
  chatModelContract,
  judgeProtocolContract,
  pairwiseJudgeContract,
  responseCacheContract,
  rewardFunctionContract,
  type ContractCheck,
} from "./index.ts";

/** Names of the checks that fail. */
const broken = async (checks: readonly ContractCheck[]): Promise<readonly string[]> => {
  const failed: string[] = [];
  for (const { name, run } of checks) await run().catch(() => failed.push(name));
  return failed;
};

/** Every case must break at least the checks that its pattern names; together they must break every check. */
const suite = <T>(what: string, good: T, bad: readonly (readonly [RegExp, T])[], check: (it: T) => ContractCheck[]) =>
  describe(what, () => {
    test("passes what is right", async () => expect(await broken(check(good))).toEqual([]));
    test.each(bad)("catches: %s", async (pattern, it) => {
      expect((await broken(check(it))).join("\n")).toMatch(pattern);
    });
    test("has no check that cannot fail", async () => {
      const caught = new Set((await Promise.all(bad.map(([, it]) => broken(check(it))))).flat());
      expect(check(good).flatMap(({ name }) => (caught.has(name) ? [] : [name]))).toEqual([]);
    });
  });

const model = (change: Partial<ChatModel>): ChatModel => ({ ...scriptedModel(() => "hello"), ...change });
const replying = (reply: object) => model({ complete: async () => reply as Completion });
const hello = { text: "x", finishReason: "stop", usage: { promptTokens: 1, completionTokens: 1 }, latencyMs: 1 };
let turns = 0;

suite<{ good: ChatModel; failing: ChatModel }>(
  "chatModelContract",
  { good: model({ completeMany: async () => Array(3).fill(hello) as Completion[] }), failing: scriptedModel([]) },
  [
    [/has a name/, { good: model({ name: " " }), failing: scriptedModel([]) }],
    [/whole completion/, { good: replying({ ...hello, latencyMs: Number.NaN }), failing: scriptedModel([]) }],
    [/whole completion/, { good: replying({ ...hello, usage: { promptTokens: -1 } }), failing: scriptedModel([]) }],
    [/AbortError when/, { good: replying(hello), failing: scriptedModel([]) }],
    [
      /eight requests/,
      {
        good: model({ complete: async () => (turns++ % 8 === 7 ? {} : hello) as Completion }),
        failing: scriptedModel([]),
      },
    ],
    [
      /leaves messages/,
      {
        good: model({
          complete: async (messages, options) => {
            (messages as unknown[]).push("more");
            return scriptedModel(["x"]).complete(messages, options);
          },
        }),
        failing: scriptedModel([]),
      },
    ],
    [
      /under way/,
      {
        good: model({
          complete: (messages, { signal } = {}) =>
            new Promise((resolve, reject) => {
              signal?.addEventListener("abort", () => reject(new Error("plain")));
              setTimeout(resolve, 1, hello);
              void messages;
            }),
        }),
        failing: scriptedModel([]),
      },
    ],
    [/n completions/, { good: model({ completeMany: async () => [] }), failing: scriptedModel([]) }],
    [/backend fails/, { good: model({}), failing: model({}) }],
    [/backend fails/, { good: model({}), failing: scriptedModel([new Error("plain")]) }],
  ],
  ({ good, failing }) => chatModelContract({ create: () => good, createFailing: () => failing }),
);

const judge = (change: (judgment: Judgment, pair: Preference) => object): PairwiseJudge => ({
  ...longerJudge,
  judge: async (pair, options) => {
    const judgment = await longerJudge.judge(pair, options);
    return { ...judgment, ...change(judgment, pair) };
  },
});

suite<PairwiseJudge>(
  "pairwiseJudgeContract",
  randomJudge(1),
  [
    [/has a name/, { ...longerJudge, name: "" }],
    [/whole judgment/, judge(() => ({ probability: Number.NaN }))],
    [/whole judgment/, judge(() => ({ verdict: { kind: "winner", winner: 2 } }))],
    [/whole judgment/, judge(() => ({ verdict: { kind: "unreadable", why: "because" } }))],
    [/whole judgment/, judge(() => ({ swapped: false }))],
    [/pair as it is/, judge((_, pair) => Object.assign(pair, { id: "mine" }))],
    [/eight times/, judge(() => ({ latencyMs: -1 }))],
    [/AbortError/, { ...longerJudge, judge: (pair) => longerJudge.judge(pair) }],
    [/asked again/, judge(() => ({ verdict: { kind: "winner", winner: (turns += 1) % 2 } }))],
    [/own order/, judge(() => ({ verdict: { kind: "winner", winner: 0 } }))],
  ],
  (it) => pairwiseJudgeContract({ create: () => it }),
);

const protocol = (change: Partial<JudgeProtocol>): JudgeProtocol => ({ ...r1Protocol, ...change });
const reading = (change: (text: string) => Partial<Reading>) =>
  protocol({ parse: (reply) => ({ ...r1Protocol.parse(reply), ...change(reply.text) }) });
const text = (words: string) => [{ role: "user" as const, content: [{ type: "text" as const, text: words }] }];
const replies = {
  first: { text: "<think>Better.</think><answer>1</answer>" },
  second: { text: "<think>Worse.</think><answer>2</answer>" },
};

suite<JudgeProtocol>(
  "judgeProtocolContract",
  r1Protocol,
  [
    [/has a name/, protocol({ name: "" })],
    [/asks the question/, protocol({ prompt: ({ responses }) => text(responses.join()) })],
    [
      /asks the question/,
      protocol({ prompt: (pair) => r1Protocol.prompt({ ...pair, responses: [pair.responses[1], pair.responses[0]] }) }),
    ],
    [/same prompt/, protocol({ prompt: (pair) => [...r1Protocol.prompt(pair), ...text(String(pair.human))] })],
    [/same prompt/, protocol({ prompt: (pair) => [...r1Protocol.prompt(pair), ...text(JSON.stringify(pair.meta))] })],
    [/control markers/, protocol({ prompt: ({ responses }) => text(responses.join()) })],
    [/prefers the first/, reading(() => ({ verdict: { kind: "winner", winner: 1 } }))],
    [/prefers the second/, reading(() => ({ verdict: { kind: "winner", winner: 0 } }))],
    [/empty reply/, reading((said) => (said === "" ? { verdict: { kind: "tie" } } : {}))],
    [/never throws/, reading((said) => ({ reasoning: (JSON.parse(`"${said}"`) as string) ?? "" }))],
    [/never throws/, reading(() => ({ probability: Number.NaN }))],
  ],
  (it) => judgeProtocolContract({ create: () => it, replies }),
);

const sample: Sample<string> = { id: "s", prompt: [], text: "42", finishReason: "stop", truth: "42" };
const reward = (score: (it: Sample<string>) => RewardResult): RewardFunction<string> => ({ name: "exact", score });

suite<RewardFunction<string>>(
  "rewardFunctionContract",
  reward(({ text: said, truth }) => ({ value: said === truth ? 1 : null, parts: { length: said.length } })),
  [
    [/has a name/, { ...reward(() => 0), name: "" }],
    [/finite number, null/, reward(() => undefined as unknown as null)],
    [/finite number, null/, reward(() => ({ value: 1, parts: { length: Infinity } }))],
    [/leaves the sample/, reward((it) => Object.assign(it, { text: "" }).text.length)],
    [/whatever the policy wrote/, reward(({ text: said }) => Number(said))],
    [/signal has fired/, { name: "x", score: (_, options) => (options?.signal?.aborted ? Number.NaN : 1) }],
    [/asked again/, reward(() => (turns += 1))],
  ],
  (it) => rewardFunctionContract({ create: () => it, samples: [{ ...sample }] }),
);

test("rewardFunctionContract: a reward may throw for hostile texts, and needs samples to be checked", async () => {
  const strict = reward(({ text: said }) => {
    if (said !== "42") throw new Error("cannot read that");
    return 1;
  });
  expect(await broken(rewardFunctionContract({ create: () => strict, samples: [sample] }))).toEqual([]);
  expect(await broken(rewardFunctionContract({ create: () => strict, samples: [] }))).toHaveLength(1);
});

const cache = (change: (good: ResponseCache) => Partial<ResponseCache>) => () => {
  const good = memoryCache();
  return { ...good, ...change(good) };
};
const shared = memoryCache();

suite<() => ResponseCache>(
  "responseCacheContract",
  () => memoryCache(),
  [
    [/not stored/, cache(() => ({ get: async () => hello as Completion }))],
    [/not stored/, cache((good) => ({ stats: () => ({ ...good.stats(), misses: 0 }) }))],
    [
      /last character/,
      cache((good) => ({ set: (key, reply) => good.set(key, { ...reply, text: reply.text.trim() + " " }) })),
    ],
    [/keeps keys apart/, cache((good) => ({ get: () => good.get("all"), set: (_, reply) => good.set("all", reply) }))],
    [/last character/, () => shared], // its counts are those of the check before
    [
      /twenty times/,
      cache((good) => ({
        set: async (key, reply) => {
          await good.set(key, { ...reply, text: reply.text.slice(0, 5) });
          await new Promise((resolve) => setTimeout(resolve, 1));
          await good.set(key, reply);
        },
      })),
    ],
    [
      /disposed of twice/,
      () => {
        let open = true;
        const good = memoryCache();
        const close = async (): Promise<void> => {
          if (!open) throw new Error("closed");
          open = false;
        };
        return { ...good, [Symbol.asyncDispose]: close };
      },
    ],
  ],
  (create) => responseCacheContract({ create }),
);
