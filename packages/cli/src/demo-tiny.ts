/** The demo's second half: the judge that came with the install, on scenes drawn in a style that it has never seen, where it errs. */
import type { Preference } from "@r1reward/core";
import { shapesDataset } from "@r1reward/core/shapes";
import { deflateSync } from "node:zlib";
import pc from "picocolors";
import { judging, type DemoRow } from "./demo-judging.ts";
import { openJudge } from "./judging.ts";
import type { JudgeFlags } from "./options.ts";

const PAIRS = 32;
const VOTES = 15;

/** Scenes of the test split: none of them was trained on. */
const scenes = (): readonly Preference[] =>
  [...shapesDataset({ n: PAIRS, seed: 2026, split: "test", style: "ood", deflate: (data) => deflateSync(data) })].map(
    ({ pair }) => pair,
  );

const textOf = (pair: Preference): string =>
  pair.question.map((part) => (part.type === "text" ? part.text : pc.dim("[picture]"))).join(" ");

/** What the demo shows of the small judge. */
export interface TinyDemo {
  readonly rows: readonly DemoRow[];
  /** How many scenes. */
  readonly pairs: number;
  /** A pair with the critique that was written about it. */
  readonly critique: string;
}

/** Judges drawn scenes with `--model tiny`: once greedily, once by votes. Throws what opening the model throws. */
export const tinyDemo = async (flags: JudgeFlags, signal: AbortSignal): Promise<TinyDemo> => {
  const pairs = scenes();
  const tiny = {
    ...flags,
    baseUrl: [],
    judge: undefined,
    model: "tiny",
    protocol: "shapes",
    cache: false,
    maxTokens: 160,
  };
  const { judge: _none, ...asked } = tiny;
  await using opened = await openJudge(asked, signal);
  const [shown] = pairs as readonly [Preference];
  const { reasoning } = await opened.judge.judge(shown, { signal });
  const rows: DemoRow[] = [];
  const run = judging(flags, signal);
  rows.push({
    judge: "tiny",
    shown: "both orders",
    report: await run(opened.judge, pairs, { orders: "both", votes: undefined }),
  });
  await using voting = await openJudge({ ...asked, votes: VOTES }, signal);
  const report = await run(voting.judge, pairs, { orders: "both", votes: VOTES });
  rows.push({ judge: "tiny", shown: `${VOTES} votes`, report });
  const critique = [
    textOf(shown),
    ...shown.responses.map((response, i) => `  ${i + 1}: ${response}`),
    pc.cyan(`  ${reasoning ?? "(no critique could be read)"}`),
  ].join("\n");
  return { rows, pairs: pairs.length, critique };
};
