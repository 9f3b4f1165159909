/**
 * `@r1reward/adapters/mastra`: the steps of a Mastra scorer. The types are written out, because the package is large; the
 * check in tools/peers runs them in a real scorer and compares the types.
 */
import { createScoring, withHealth } from "../scoring/scoring.ts";
import { imageOfUrl, imageOfBase64 } from "../scoring/question.ts";
import type { Health, ScoringOptions, ScoringTask } from "../scoring/types.ts";
import { RewardError, type Part } from "@r1reward/core";

/** What a scorer hands to its steps. */
export interface MastraRun<Input = unknown, Output = unknown> {
  readonly input?: Input | undefined;
  readonly output: Output;
  readonly groundTruth?: unknown;
}

/** What the first step finds and the others read. */
export interface MastraJudged {
  readonly score: number | null;
  readonly critique: string;
  /** Why there is no score of the judge's. */
  readonly failure: string | null;
}

interface Later {
  readonly results: { readonly preprocessStepResult: MastraJudged };
}

/** Steps for `createScorer({ … }).preprocess().generateScore().generateReason()`. */
export interface MastraSteps<Input, Output, NotScorable> extends Health {
  readonly preprocess: (context: { readonly run: MastraRun<Input, Output> }) => Promise<MastraJudged>;
  readonly generateScore: (context: Later) => number | NotScorable;
  readonly generateReason: (context: Later) => string;
}

/** Options of the steps. */
export type MastraOptions<Input, Output, NotScorable> = ScoringOptions & {
  /** `notScorable` of `@mastra/core/evals`: what abstaining becomes. */
  readonly notScorable: (reason: string) => NotScorable;
  /** What the judge sees. Left out: input, output and groundTruth, which must be texts then; `readAgentRun` for agents. */
  readonly read?: ((run: MastraRun<Input, Output>) => ScoringTask) | undefined;
};

const asTexts = ({ input, output, groundTruth }: MastraRun): ScoringTask => ({
  question: input as string, // checked by the scoring, with the error that names it
  response: output as string,
  reference: (groundTruth ?? undefined) as string | undefined,
});

/**
 * The steps of a scorer: the judge in `preprocess`, its number in `generateScore`, its critique in `generateReason`.
 * `onError: "abstain"` makes the run not scorable; a thrown error comes as the cause of Mastra's own.
 */
export const mastraSteps = <NotScorable, Input = string, Output = string>(
  options: MastraOptions<Input, Output, NotScorable>,
): MastraSteps<Input, Output, NotScorable> => {
  const { notScorable, read = asTexts } = options;
  const scoring = createScoring({ name: "mastra", abstains: true }, options);
  const steps = {
    preprocess: async ({ run }: { readonly run: MastraRun<Input, Output> }): Promise<MastraJudged> => {
      const { score, critique, failure } = await scoring.score(() => read(run));
      return { score, critique, failure: failure?.message ?? null };
    },
    generateScore: ({ results: { preprocessStepResult: judged } }: Later) =>
      judged.score ?? notScorable(judged.failure ?? "not judged"),
    generateReason: ({ results: { preprocessStepResult: judged } }: Later) =>
      judged.failure === null ? judged.critique : `Not judged: ${judged.failure}`,
  };
  return withHealth(steps, scoring);
};

/** Mastra's own union of parts is open, so fields are checked when they are read. */
interface AgentPart {
  readonly type: string;
  readonly text?: unknown;
  readonly mimeType?: unknown;
  readonly data?: unknown;
}

/** The part of a message of Mastra's that is read. */
export interface AgentMessage {
  readonly role: string;
  readonly content: { readonly parts?: readonly AgentPart[] | undefined };
}

const textOf = ({ type, text }: AgentPart): readonly string[] =>
  type === "text" && typeof text === "string" ? [text] : [];

const partOf = (part: AgentPart): readonly Part[] => {
  const { type, mimeType, data } = part;
  if (type !== "file") return textOf(part).map((text) => ({ type: "text", text }));
  if (typeof mimeType !== "string" || !mimeType.startsWith("image/") || typeof data !== "string") return [];
  return [/^(data|https?):/.test(data) ? imageOfUrl(data) : imageOfBase64(mimeType, data)];
};

/**
 * Reads a run of a scorer of type `agent`: the last user message with its pictures, and the text of the agent's messages.
 *
 * @throws {RewardError} when there is no user message.
 */
export const readAgentRun = ({
  input,
  output,
  groundTruth,
}: MastraRun<{ readonly inputMessages: readonly AgentMessage[] }, readonly AgentMessage[]>): ScoringTask => {
  const asked = input?.inputMessages.filter(({ role }) => role === "user").at(-1);
  if (asked === undefined) throw new RewardError("mastra", undefined, "input: expected a user message, got none");
  const said = output.filter(({ role }) => role === "assistant").flatMap(({ content }) => content.parts ?? []);
  const response = said.flatMap(textOf).join("\n");
  const reference = typeof groundTruth === "string" ? groundTruth : undefined;
  return { question: (asked.content.parts ?? []).flatMap(partOf), response, reference };
};
