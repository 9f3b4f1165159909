/** What makes two runs the same run, and two rows of the input different pairs. */
import { createHash } from "node:crypto";
import { recordKey, type Preference } from "@r1reward/core";
import type { OpenJudge } from "./judging.ts";
import type { JudgeFlags } from "./options.ts";

/** Short hash of everything that changes results: results files of different runs are never mixed. */
export const runFingerprint = (opened: OpenJudge, flags: JudgeFlags, ...more: readonly string[]): string =>
  createHash("sha256")
    .update(
      JSON.stringify([
        opened.fingerprint,
        flags.votes ?? null,
        flags.orders,
        flags.seed,
        flags.earlyStop ?? false,
        ...more,
      ]),
    )
    .digest("hex")
    .slice(0, 16);

/** Keys of pairs by content; literal repetitions become `~2`, `~3`, … so that none is lost. */
export const pairKeys = (): ((pair: Preference) => string) => {
  const seen = new Map<string, number>();
  return (pair) => {
    const key = recordKey(pair);
    const times = (seen.get(key) ?? 0) + 1;
    seen.set(key, times);
    return times === 1 ? key : `${key}~${times}`;
  };
};
