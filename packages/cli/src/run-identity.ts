/** What makes two runs the same run. */
import { createHash } from "node:crypto";
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
