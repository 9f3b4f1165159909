/**
 * Pointwise judge prompts of other projects: which headings they put where. An answer is written by the policy and may hold
 * the same headings, so what stands before it is found from the front, and what stands after it from the back.
 */

/** What a judge prompt asks about. */
export interface PointwisePrompt {
  readonly question: string;
  readonly answer: string;
  readonly reference?: string | undefined;
  /** The verdict is to be one word, yes or no. */
  readonly word: boolean;
}

type Part = "question" | "answer" | "reference" | "end";

/** One project's prompt: its headings, each on a line of its own, in their order. */
interface Layout {
  readonly parts: readonly (readonly [Part, RegExp])[];
  /** Each part stands between lines of three backticks. */
  readonly fenced?: boolean;
  readonly word?: boolean;
}

const LAYOUTS: readonly Layout[] = [
  // ms-swift's async_genrm
  {
    parts: [
      ["question", /^[ \t]*## User Question[ \t]*$/gm],
      ["answer", /^[ \t]*## AI Assistant's Response[ \t]*$/gm],
      ["end", /^[ \t]*## Your Evaluation[ \t]*$/gm],
    ],
  },
  // verl's genrm_remote
  {
    parts: [
      ["question", /^\[Math Problem\][ \t]*$/gm],
      ["answer", /^\[AI Solution\][ \t]*$/gm],
      ["end", /^Your task is to review and critique/gm],
    ],
  },
  // ROLL's LLM judge with its own template
  {
    parts: [
      ["question", /^\*\*Question:\*\*[ \t]*$/gm],
      ["answer", /^\*\*Solution Process \(Final Step Only\):\*\*[ \t]*$/gm],
      ["reference", /^\*\*Reference Answer:\*\*[ \t]*$/gm],
      ["end", /^\*\*Output:\*\*[ \t]*$/gm],
    ],
    word: true,
  },
  // … and without: it asks for a score, and looks for "yes" all the same
  {
    parts: [
      ["question", /^[ \t]*Prompt: ?/gm],
      ["answer", /^[ \t]*Response: ?/gm],
      ["reference", /^[ \t]*Reference: ?/gm],
      ["end", /^[ \t]*Please evaluate the response on a scale from 0 to 10\./gm],
    ],
    word: true,
  },
  // verifiers: JudgeRubric, and the reference judge of its tasks
  {
    parts: [
      ["question", /^(?:Question|Task):[ \t]*$/gm],
      ["reference", /^(?:Ground truth answer|Reference answer):[ \t]*$/gm],
      ["answer", /^Response:[ \t]*$/gm],
      ["end", /^Respond either "/gm],
    ],
    fenced: true,
    word: true,
  },
];

interface Cut {
  readonly from: number;
  readonly to: number;
}

const firstAfter = (text: string, heading: RegExp, from: number): Cut | undefined => {
  heading.lastIndex = from;
  const found = heading.exec(text);
  return found === null ? undefined : { from: found.index, to: found.index + found[0].length };
};

const lastBefore = (text: string, heading: RegExp, to: number): Cut | undefined => {
  const found = [...text.matchAll(heading)].findLast((match) => match.index < to);
  return found === undefined ? undefined : { from: found.index, to: found.index + found[0].length };
};

/** Where each heading stands: up to the answer's the first that fits, behind it the last. */
const cutsOf = (text: string, { parts }: Layout): readonly Cut[] | undefined => {
  const turn = parts.findIndex(([part]) => part === "answer");
  const cuts: Cut[] = [];
  let from = 0;
  for (const [, heading] of parts.slice(0, turn + 1)) {
    const cut = firstAfter(text, heading, from);
    if (cut === undefined) return undefined;
    cuts.push(cut);
    from = cut.to;
  }
  let to = text.length;
  const behind: Cut[] = [];
  for (const [, heading] of parts.slice(turn + 1).reverse()) {
    const cut = lastBefore(text, heading, to);
    if (cut === undefined || cut.from < from) return undefined;
    behind.unshift(cut);
    to = cut.from;
  }
  return [...cuts, ...behind];
};

const unfenced = (text: string): string => text.replace(/^```[^\n]*\n/, "").replace(/\n```$/, "");

/** The question, the answer and, if the prompt has one, the reference; `undefined` for a prompt that is not known. */
export const readJudgePrompt = (text: string): PointwisePrompt | undefined => {
  for (const layout of LAYOUTS) {
    const cuts = cutsOf(text, layout);
    if (cuts === undefined) continue;
    const read = (part: Part): string | undefined => {
      const at = layout.parts.findIndex(([name]) => name === part);
      if (at < 0) return undefined;
      const inside = text.slice(cuts[at]!.to, cuts[at + 1]?.from).trim();
      return layout.fenced === true ? unfenced(inside).trim() : inside;
    };
    const reference = read("reference");
    // Python writes what is absent as None.
    const known = reference === undefined || reference === "" || reference === "None" ? {} : { reference };
    return { question: read("question")!, answer: read("answer")!, word: layout.word === true, ...known };
  }
  return undefined;
};
