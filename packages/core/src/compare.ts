/** Asks a judge for the critiques of a plan and counts them. */
import { checkOnTie, decide, type DecideOptions } from "./aggregate.ts";
import { AbortError, boundary, ConfigError, messageOf, ModelError, throwIfAborted } from "./errors.ts";
import type { CallOptions, PairwiseJudge } from "./interfaces.ts";
import { tallyOf, votesToSettle } from "./tally.ts";
import type { Decision, Judgment, Preference } from "./types.ts";
import { planVotes, type Vote, type VotePlanOptions } from "./vote-plan.ts";

/** How a pair is compared. */
export interface CompareOptions extends VotePlanOptions, DecideOptions, CallOptions {
  /**
   * Stop sending critiques once no outstanding one can change the verdict, and send no more at a time than could settle
   * it. The verdict is the same; `consistent` and `probability` are told by the votes that were sent. Off unless asked for.
   */
  readonly earlyStop?: boolean | undefined;
  /** Critiques under way at once. Left out, all that are wanted. */
  readonly concurrency?: number | undefined;
}

interface Ballot {
  readonly plan: readonly Vote[];
  readonly judgments: (Judgment | undefined)[];
  readonly failures: unknown[];
}

const received = ({ judgments }: Ballot): readonly Judgment[] => judgments.filter((judgment) => judgment !== undefined);

/** How many critiques may be under way now. */
const allowance = (ballot: Ballot, { earlyStop = false, concurrency = Infinity }: CompareOptions): number => {
  if (ballot.failures.length > 0) return 0;
  if (!earlyStop) return concurrency;
  const votes = received(ballot);
  return Math.min(concurrency, votesToSettle(tallyOf(votes), ballot.plan.length - votes.length));
};

const castVote = (judge: PairwiseJudge, pair: Preference, vote: Vote & { samples: number }, signal?: AbortSignal) => {
  const wrap = (cause: unknown) =>
    signal?.aborted
      ? new AbortError("aborted by the caller", { cause: signal.reason })
      : new ModelError(`${judge.name}: ${messageOf(cause)}`, { model: judge.name, retryable: false }, { cause });
  return boundary(wrap, () => judge.judge(pair, { ...vote, signal }));
};

/** Sends the votes of the plan; what is under way is paid for, so it is waited for even when another vote has failed. */
const collect = async (
  judge: PairwiseJudge,
  pair: Preference,
  ballot: Ballot,
  options: CompareOptions,
): Promise<void> => {
  const samples = Math.max(...ballot.plan.map(({ sample }) => sample)) + 1;
  const underWay = new Set<Promise<unknown>>();
  const send = (vote: Vote, place: number): void => {
    const call: Promise<unknown> = castVote(judge, pair, { ...vote, samples }, options.signal)
      .then((judgment) => (ballot.judgments[place] = judgment))
      .catch((error: unknown) => ballot.failures.push(error))
      .finally(() => underWay.delete(call));
    underWay.add(call);
  };
  for (let next = 0; ; await Promise.race(underWay)) {
    while (next < ballot.plan.length && underWay.size < allowance(ballot, options)) {
      send(ballot.plan[next]!, next);
      next += 1;
    }
    if (underWay.size === 0) return;
  }
};

/**
 * Compares the two responses of a pair: by default one critique in each order, and a tie when they disagree.
 *
 * The judgments of the decision stand in the order in which they were planned, whatever order they came in. When a
 * critique fails, no more are sent, those under way are awaited (a cache keeps them), and the first error is thrown.
 *
 * @throws {ConfigError} when an option is out of range.
 * @throws {AbortError} when the signal fires.
 * @throws what the judge throws; an error that is none of ours comes as the cause of a `ModelError`.
 */
export const comparePair = async (
  judge: PairwiseJudge,
  pair: Preference,
  options: CompareOptions = {},
): Promise<Decision> => {
  const { concurrency = Infinity, signal, onTie = "tie" } = options;
  if (!(concurrency >= 1)) throw new ConfigError(`concurrency: expected at least 1, got ${concurrency}`);
  checkOnTie(onTie); // before anything is paid for
  throwIfAborted(signal);
  const ballot: Ballot = { plan: planVotes(pair, options), judgments: [], failures: [] };
  await collect(judge, pair, ballot, options);
  if (ballot.failures.length > 0) throw ballot.failures[0];
  return decide(received(ballot), { onTie });
};
