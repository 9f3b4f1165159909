import type { PairwiseJudge } from "../../interfaces.ts";
import { swapPair, swapVerdict } from "../../swap.ts";
import type { Judgment, Preference } from "../../types.ts";
import {
  type ContractCheck,
  expectAbort,
  expectSame,
  expectThat,
  expectVerdict,
  firedSignal,
  frozen,
  nameCheck,
} from "./check.ts";

/** What the checks of a pairwise judge need. */
export interface PairwiseJudgeContract {
  /** Called for every check. */
  readonly create: () => PairwiseJudge;
  readonly pair?: Preference | undefined;
  /** Does the same question get the same verdict every time? True unless told otherwise. */
  readonly deterministic?: boolean | undefined;
}

const PAIR: Preference = {
  id: "contract",
  question: [{ type: "text", text: "What is two and two?" }],
  responses: ["Four, because two and two make four.", "Five."],
};

const isCount = (value: number | null): boolean => value === null || (Number.isSafeInteger(value) && value >= 0);

const expectJudgment = (judgment: Judgment, swapped: boolean): void => {
  const { probability: p, usage } = judgment;
  expectVerdict(judgment.verdict);
  expectThat(judgment.swapped === swapped, `swapped: expected ${swapped}, got ${judgment.swapped}`);
  expectThat(p === undefined || (p >= 0 && p <= 1), `probability: expected 0 to 1, got ${p}`);
  expectThat(isCount(usage.promptTokens) && isCount(usage.completionTokens), "usage: expected counts or nulls");
  expectThat(Number.isFinite(judgment.latencyMs) && judgment.latencyMs >= 0, "latencyMs: expected milliseconds");
  expectThat(typeof judgment.text === "string" && typeof judgment.reasoning === "string", "text: expected strings");
  expectThat(typeof judgment.cached === "boolean" && Array.isArray(judgment.warnings), "cached, warnings");
};

const sameVerdicts = (create: () => PairwiseJudge, pair: Preference): readonly ContractCheck[] => [
  {
    name: "gives the same verdict when asked again",
    run: async () => {
      const judge = create();
      expectSame((await judge.judge(pair)).verdict, (await judge.judge(pair)).verdict, "verdict");
    },
  },
  {
    name: "reports a swapped pair's verdict in the pair's own order",
    run: async () => {
      const { verdict } = await create().judge(pair, { swapped: true });
      const reversed = await create().judge(swapPair(pair));
      expectSame(verdict, swapVerdict(reversed.verdict), "verdict");
    },
  },
];

/** What every `PairwiseJudge` promises, as checks for any test runner. */
export const pairwiseJudgeContract = (options: PairwiseJudgeContract): ContractCheck[] => {
  const { create, pair = PAIR, deterministic = true } = options;
  return [
    nameCheck(create),
    {
      name: "gives a whole judgment in either order",
      run: async () => {
        expectJudgment(await create().judge(pair), false);
        expectJudgment(await create().judge(pair, { swapped: false, sample: 1, samples: 2 }), false);
        expectJudgment(await create().judge(pair, { swapped: true }), true);
      },
    },
    {
      name: "leaves the pair as it is",
      run: async () => expectJudgment(await create().judge(frozen(pair), { swapped: true }), true),
    },
    {
      name: "judges the same pair eight times at once",
      run: async () => {
        const judge = create();
        const asked = Array.from({ length: 8 }, (_, i) => judge.judge(pair, { sample: i % 2, samples: 2 }));
        (await Promise.all(asked)).forEach((judgment) => expectJudgment(judgment, false));
      },
    },
    {
      name: "rejects with AbortError when the signal has fired",
      run: () => expectAbort(() => create().judge(pair, { signal: firedSignal() }), "fired signal"),
    },
    ...(deterministic ? sameVerdicts(create, pair) : []),
  ];
};
