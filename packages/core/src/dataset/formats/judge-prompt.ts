/** Taking a judge's prompt apart again: the question and the two responses under their headings. */
import { DatasetError } from "../../errors.ts";
import type { RowContext } from "../format.ts";

/** What a judge's prompt asks about. The question is absent when the prompt has no heading for it. */
export interface PromptPieces {
  readonly question?: string | undefined;
  readonly responses: readonly [string, string];
}

interface Heading {
  readonly level: number;
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

// Four # in the training data, six in the evaluation prompt (paper section 1.3).
const HEADING = /^(####|######) (?:\[(Question|Response 1|Response 2)\]:|\*\*(Output Format)\b.*$)/gm;

const headingsOf = (text: string): readonly Heading[] =>
  [...text.matchAll(HEADING)].map((match) => ({
    level: match[1]!.length,
    name: match[2] ?? match[3]!,
    start: match.index,
    end: match.index + match[0].length,
  }));

/** What stands under a heading: without the line break after the heading and the blank line before the next one. */
const between = (text: string, from: number, to: number): string => {
  const raw = text.slice(from, to).replace(/^[ \t]*\r?\n/, "");
  if (raw.endsWith("  \n\n")) return raw.slice(0, -4);
  return raw.trimEnd();
};

/**
 * The pieces of a judge's prompt. A heading that occurs twice makes the pair ambiguous, and is an error rather than a
 * guess; the output format closes the prompt, so its last heading counts.
 *
 * @throws DatasetError naming `field`
 */
export const splitJudgePrompt = (text: string, field: string, context: RowContext): PromptPieces => {
  const fail = (problem: string): never => {
    throw new DatasetError({ file: context.file, line: context.line, field }, problem);
  };
  const all = headingsOf(text);
  const level = all.find((heading) => heading.name === "Response 1")?.level;
  const only = (name: string): Heading | undefined => {
    const found = all.filter((heading) => heading.name === name && heading.level === level);
    return found.length <= 1 ? found[0] : fail(`expected one heading "[${name}]:", got ${found.length}: ambiguous`);
  };
  const question = only("Question");
  const first = only("Response 1") ?? fail('expected a heading "#### [Response 1]:" on its own line');
  const second = only("Response 2") ?? fail('expected a heading "#### [Response 2]:" on its own line');
  const format = all.filter((heading) => heading.name === "Output Format" && heading.level === level).at(-1);
  const end = format?.start ?? text.length;
  if ((question?.start ?? -1) > first.start || first.start > second.start || second.start > end) {
    fail("expected the headings in the order question, response 1, response 2, output format");
  }
  return {
    question: question && between(text, question.end, first.start),
    responses: [between(text, first.end, second.start), between(text, second.end, end)],
  };
};
