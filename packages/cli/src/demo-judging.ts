/** Judging the pairs of the demo, with progress. */
import {
  customBenchmark,
  evaluate,
  type EvalReport,
  type Orders,
  type PairwiseJudge,
  type Preference,
} from "@r1reward/core";
import type { JudgeFlags } from "./options.ts";
import { startProgress } from "./output/progress.ts";

/** The flags of the demo. */
export type DemoFlags = JudgeFlags & { readonly json?: boolean };

/** One line of the table. */
export interface DemoRow {
  readonly judge: string;
  readonly shown: string;
  readonly report: EvalReport;
}

const benchmark = customBenchmark("samples");

/** How pairs are shown, and how often each is judged. */
interface Showing {
  readonly orders: Orders;
  readonly votes: number | undefined;
}

/** A function that judges pairs and reports, as the flags say. */
export const judging =
  (flags: DemoFlags, signal: AbortSignal) =>
  async (judge: PairwiseJudge, pairs: readonly Preference[], { orders, votes }: Showing): Promise<EvalReport> => {
    const progress = startProgress(`judging with ${judge.name}`, { quiet: flags.json === true });
    let done = 0;
    let failed = 0;
    const onRecord = ({ status }: { status: string }) => {
      failed += status === "failed" ? 1 : 0;
      progress.update({ done: (done += 1), total: pairs.length, failed });
    };
    const { seed, earlyStop } = flags;
    try {
      return await evaluate(benchmark, judge, pairs, { orders, votes, seed, earlyStop, onRecord, signal });
    } finally {
      progress.finish();
    }
  };
