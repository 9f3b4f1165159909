import { messageOf } from "../../errors.ts";
import type { RewardFunction, RewardResult } from "../../interfaces.ts";
import type { Sample } from "../../types.ts";
import { type ContractCheck, expectSame, expectThat, firedSignal, frozen, HOSTILE_TEXTS, nameCheck } from "./check.ts";

/** What the checks of a reward function need. */
export interface RewardFunctionContract<Truth> {
  /** Called for every check. */
  readonly create: () => RewardFunction<Truth>;
  /** Finished rollouts that the reward can look at; at least one. */
  readonly samples: readonly Sample<Truth>[];
  /** Does the same sample get the same reward every time? True unless told otherwise. */
  readonly deterministic?: boolean | undefined;
}

const isValue = (value: unknown): boolean => value === null || (typeof value === "number" && Number.isFinite(value));

const expectReward = (result: RewardResult): void => {
  if (typeof result !== "object" || result === null) {
    expectThat(isValue(result), `reward: expected a finite number or null, got ${String(result)}`);
    return;
  }
  expectThat(isValue(result.value), `value: expected a finite number or null, got ${result.value}`);
  for (const [part, value] of Object.entries(result.parts)) {
    expectThat(isValue(value), `parts.${part}: expected a finite number or null, got ${value}`);
  }
};

const settles = async <Truth>(reward: RewardFunction<Truth>, sample: Sample<Truth>, signal?: AbortSignal) => {
  let result: RewardResult;
  try {
    result = await reward.score(sample, { signal });
  } catch (error) {
    expectThat(error instanceof Error, `expected an Error, got ${messageOf(error)}`);
    return;
  }
  expectReward(result);
};

const checks = <Truth>(create: () => RewardFunction<Truth>, samples: readonly Sample<Truth>[]): ContractCheck[] => [
  nameCheck(create),
  {
    name: "gives a finite number, null or a reward with parts",
    run: async () => {
      expectThat(samples.length > 0, "samples: expected at least one");
      for (const sample of samples) expectReward(await create().score(sample));
    },
  },
  {
    name: "leaves the sample as it is",
    run: async () => {
      for (const sample of samples) expectReward(await create().score(frozen(sample), {}));
    },
  },
  {
    name: "never gives NaN or infinity, whatever the policy wrote",
    run: async () => {
      const broken = samples.slice(0, 1).flatMap((sample) => HOSTILE_TEXTS.map((text) => ({ ...sample, text })));
      for (const sample of broken) await settles(create(), sample);
    },
  },
  {
    name: "settles when the signal has fired",
    run: async () => {
      for (const sample of samples) await settles(create(), sample, firedSignal());
    },
  },
];

/** What every `RewardFunction` promises, as checks for any test runner. */
export const rewardFunctionContract = <Truth>(options: RewardFunctionContract<Truth>): ContractCheck[] => {
  const { create, samples, deterministic = true } = options;
  const again: ContractCheck = {
    name: "gives the same reward when asked again",
    run: async () => {
      for (const sample of samples) {
        expectSame(await create().score(sample), await create().score(sample), `reward of ${sample.id}`);
      }
    },
  };
  return deterministic ? [...checks(create, samples), again] : checks(create, samples);
};
