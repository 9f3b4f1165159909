/**
 * Compatibility with the authors' evaluation: their prompt without defusing, and their way of reading a reply, faults
 * included (github.com/yfzhang114/r1_reward, commit 3693413, `inference/` and README). For comparing with published
 * numbers, never for rewards: a reply that says nothing still counts as a vote, and a quoted answer decides.
 */
import type { JudgeProtocol } from "../interfaces.ts";
import type { JudgeWarning, Verdict } from "../types.ts";
import { createAsker, oneOf } from "./ask.ts";
import { pythonFloat, pythonInt, pythonStrip } from "./python.ts";
import { R1_EVAL_TEMPLATE } from "./r1-templates.ts";
import { readReasoning } from "./verdict-scanner.ts";

/** Whose parser: each of the three evaluation scripts has its own, and so has the README's example. */
export type ReferenceBenchmark = "vl-rewardbench" | "multimodal-rewardbench" | "mm-rlhf-rewardbench" | "readme";

/** Which of the reference parsers to be compatible with. */
export interface ReferenceProtocolOptions {
  readonly benchmark: ReferenceBenchmark;
}

interface Parser {
  /** Does case matter in the tags? */
  readonly ignoreCase: boolean;
  /** Which digit speaks where no tag does. */
  readonly fallback: (text: string) => string | undefined;
  readonly verdict: (answer: string | undefined) => Verdict;
}

const FIRST: Verdict = { kind: "winner", winner: 0 };
const SECOND: Verdict = { kind: "winner", winner: 1 };

const lastChoice = (text: string): string | undefined => text[Math.max(text.lastIndexOf("1"), text.lastIndexOf("2"))];

/** `[12](?!.*[12])` where the dot stops at a newline: the last choice of the first line that has one. */
const lastChoiceOfFirstLine = (text: string): string | undefined => {
  const at = text.search(/[12]/);
  if (at < 0) return undefined;
  const end = text.indexOf("\n", at);
  return lastChoice(end < 0 ? text.slice(at) : text.slice(at, end));
};

/** The scripts: 1 when `float` says so, otherwise 2, whatever went wrong. */
const firstOrElseSecond = (answer: string | undefined): Verdict =>
  answer !== undefined && pythonFloat(answer) === 1 ? FIRST : SECOND;

/** The README: 1 and 2 when `int` says so, otherwise half a point each. */
const firstSecondOrTie = (answer: string | undefined): Verdict => {
  const choice = answer === undefined ? undefined : pythonInt(answer);
  if (choice === 1) return FIRST;
  return choice === 2 ? SECOND : { kind: "tie" };
};

const SCRIPT: Parser = { ignoreCase: false, fallback: lastChoice, verdict: firstOrElseSecond };

const PARSERS: Readonly<Record<ReferenceBenchmark, Parser>> = {
  "vl-rewardbench": SCRIPT,
  "multimodal-rewardbench": SCRIPT,
  "mm-rlhf-rewardbench": { ...SCRIPT, fallback: lastChoiceOfFirstLine },
  readme: { ignoreCase: true, fallback: lastChoiceOfFirstLine, verdict: firstSecondOrTie },
};

/** ASCII letters in lower case; the long s too, which Python folds to s. Lengths stay, unlike with `toLowerCase`. */
const foldCase = (text: string): string =>
  text.replace(/[A-Z]/g, (letter) => letter.toLowerCase()).replaceAll("\u017F", "s");

/** What the first `<answer>` up to the next `</answer>` says. */
const firstAnswer = (text: string, ignoreCase: boolean): string | undefined => {
  const searched = ignoreCase ? foldCase(text) : text;
  const open = searched.indexOf("<answer>");
  const close = open < 0 ? -1 : searched.indexOf("</answer>", open);
  return close < 0 ? undefined : pythonStrip(text.slice(open + "<answer>".length, close));
};

/**
 * Makes the compatibility protocol `reference/<benchmark>`. Every reading is a verdict: nothing is ever `unreadable`, as
 * in the original. Every judgment carries the warning `reference-mode`.
 *
 * @throws ConfigError when the benchmark is not one of the four.
 */
export const referenceProtocol = ({ benchmark }: ReferenceProtocolOptions): JudgeProtocol => {
  const names = Object.keys(PARSERS) as ReferenceBenchmark[];
  const parser = PARSERS[oneOf("benchmark", benchmark, names)];
  const asker = createAsker({ template: R1_EVAL_TEMPLATE, markers: "keep" });
  return {
    name: `reference/${benchmark}`,
    prompt: (pair) => asker.prompt(pair),
    warnings: (pair): readonly JudgeWarning[] => ["reference-mode", ...asker.warnings(pair)],
    parse: ({ text }) => {
      const answer = firstAnswer(text, parser.ignoreCase) ?? parser.fallback(text);
      return { verdict: parser.verdict(answer), reasoning: readReasoning(text) };
    },
  };
};
