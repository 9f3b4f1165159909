/**
 * Which response does a piece of reasoning say is better? A rule for plain statements, so that a referee model is only
 * asked about the rest. It is strict: what is hedged, limited to one aspect, asked as a question or followed by a "but" is
 * left undecided. One pass over the words with a bounded look around each: linear, and it never throws.
 *
 * N is 1, 2, one or two; `response N` may also read `answer N` or `the first/second response/answer`. Statements:
 *
 *   response N [is|was|remains|seems (to be)|appears (to be)|stands out as|emerges as] … better|superior|best|preferable|
 *     preferred|favored|stronger                        N            … worse|inferior|weaker|worst          the other one
 *   response N outperforms|surpasses|beats|wins|prevails                                                    N
 *   I prefer|favor|choose|select|pick response N; go with, opt for response N                               N
 *   the better|best|superior|preferred|preferable|stronger response|answer|choice|option|one is response N  N
 *   with `not` before "better" and its like, or "no better"                                                 the other one
 *
 * What may follow: the end of the clause, because|since|as|due|overall|and|here, a noun ("choice"), "of the two", or
 * than|to|over and the other response. The last statement counts.
 */
import type { Winner } from "../types.ts";

const setOf = (words: string): ReadonlySet<string> => new Set(words.split(" "));

const NOUN = setOf("response answer");
const NUMBER: Readonly<Record<string, Winner>> = { "1": 0, one: 0, first: 0, "2": 1, two: 1, second: 1 };
const ORDINAL = setOf("first second");
const END = setOf(". ! ; : , \n");
const LINK = setOf("is was remains seems appears");
const PHRASES = ["stands out as", "emerges as"].map((phrase) => phrase.split(" "));
const UNREAL = setOf("could might may would should");
const ADVERB = setOf(
  "therefore thus hence clearly overall ultimately generally slightly significantly much far still also the a " +
    "definitely somewhat marginally notably considerably to be",
);
const BETTER = setOf("better superior best preferable preferred favored favoured stronger");
const WORSE = setOf("worse inferior weaker worst");
const NOT = setOf("not never no isn't wasn't isn’t wasn’t");
const WINS = setOf("outperforms surpasses beats wins prevails");
const PREFER = setOf("prefer favor favour choose select pick");
const PREFER_WITH = setOf("go opt");
const TITLE = setOf("response answer choice option one");
const GOES_ON = setOf("because since as due overall and here");
const VERSUS = setOf("than to over");
const EVEN = setOf("neither equally equal tie tied similar");
const HEDGE = setOf(
  "if whether unless might could may not cannot never don't can't wouldn't doesn't don’t can’t wouldn’t doesn’t " +
    "doubt deny disagree hardly",
);
const CONTRAST = setOf(
  "however but although though nevertheless nonetheless yet conversely otherwise except despite while whereas",
);

/** How far back a hedge is looked for, and how many adverbs are skipped. */
const REACH = 6;

type Words = readonly string[];

interface Mention {
  readonly winner: Winner;
  readonly end: number;
}

/** A statement, or a passage that forbids one: `winner` is `null` there. */
interface Statement {
  readonly winner: Winner | null;
  readonly end: number;
}

const other = (winner: Winner): Winner => (winner === 0 ? 1 : 0);
const has = (set: ReadonlySet<string>, word: string | undefined): boolean => word !== undefined && set.has(word);
const ends = (words: Words, at: number): boolean => at >= words.length || END.has(words[at]!);

/** `response 1`, `the second answer`, … at this word. */
const mentionAt = (words: Words, start: number): Mention | null => {
  const at = words[start] === "the" ? start + 1 : start;
  const [one, two] = [words[at], words[at + 1]];
  if (has(NOUN, one) && two !== undefined && !ORDINAL.has(two) && Object.hasOwn(NUMBER, two)) {
    return { winner: NUMBER[two]!, end: at + 2 };
  }
  return has(ORDINAL, one) && has(NOUN, two) ? { winner: NUMBER[one!]!, end: at + 2 } : null;
};

const skip = (words: Words, start: number, set: ReadonlySet<string>): number => {
  let at = start;
  while (at < start + REACH && has(set, words[at])) at += 1;
  return at;
};

/** Is this the rest of a sentence that says no more than who is better? */
const closes = (words: Words, at: number, winner: Winner): boolean => {
  if (ends(words, at) || has(GOES_ON, words[at])) return true;
  if (has(TITLE, words[at])) return ends(words, at + 1) || has(GOES_ON, words[at + 1]);
  if (words[at] === "of") return words[at + 1] === "the" && has(setOf("two both"), words[at + 2]);
  if (!has(VERSUS, words[at])) return false;
  const against = mentionAt(words, at + 1);
  if (against !== null)
    return against.winner !== winner && (ends(words, against.end) || has(GOES_ON, words[against.end]));
  if (words[at + 1] !== "the" || words[at + 2] !== "other") return false;
  const end = at + (has(TITLE, words[at + 3]) ? 4 : 3);
  return ends(words, end) || has(GOES_ON, words[end]);
};

/** Does the clause hedge or deny what comes at this word? */
const hedged = (words: Words, start: number): boolean => {
  for (let at = start - 1; at >= Math.max(0, start - REACH) && !END.has(words[at]!) && words[at] !== "?"; at -= 1) {
    if (HEDGE.has(words[at]!)) return true;
  }
  return false;
};

const linkEnd = (words: Words, at: number): number | null => {
  if (has(LINK, words[at]) || has(NOT, words[at]) || has(UNREAL, words[at])) return at + 1;
  const phrase = PHRASES.find((one) => one.every((word, i) => words[at + i] === word));
  return phrase === undefined ? null : at + phrase.length;
};

/** `response N is … better …` */
const judgementOf = (words: Words, { winner, end }: Mention): Statement | null => {
  const link = linkEnd(words, end);
  if (link === null) return null;
  let at = skip(words, link, ADVERB);
  let negated = has(NOT, words[link - 1]);
  if (has(NOT, words[at])) [negated, at] = [true, skip(words, at + 1, ADVERB)];
  const [better, worse] = [has(BETTER, words[at]), has(WORSE, words[at])];
  if (!better && !worse) return null;
  const unclear = has(UNREAL, words[end]) || (negated && worse) || !closes(words, at + 1, winner);
  return { winner: unclear ? null : better !== negated ? winner : other(winner), end: at + 1 };
};

/** `response N … wins …` */
const victoryOf = (words: Words, { winner, end }: Mention): Statement | null => {
  const at = skip(words, end, ADVERB);
  if (!has(WINS, words[at])) return null;
  const against = mentionAt(words, at + 1);
  const clear =
    against === null ? closes(words, at + 1, winner) : against.winner !== winner && ends(words, against.end);
  return { winner: clear ? winner : null, end: at + 1 };
};

/** `prefer response N …` and `the better one is response N …`: the mention comes last. */
const choiceAt = (words: Words, start: number): Statement | null => {
  const verb = has(PREFER, words[start]);
  const withVerb = has(PREFER_WITH, words[start]) && has(setOf("with for"), words[start + 1]);
  const title = (has(BETTER, words[start]) || has(WORSE, words[start])) && has(TITLE, words[start + 1]);
  let at = start + (verb ? 1 : 2);
  if (title) {
    at = skip(words, at, ADVERB);
    if (words[at] !== "is" && words[at] !== ":") return null;
    at += 1;
  }
  if (!verb && !withVerb && !title) return null;
  const chosen = mentionAt(words, mentionStart(words, at));
  if (chosen === null) return null;
  const winner = title && has(WORSE, words[start]) ? other(chosen.winner) : chosen.winner;
  return { winner: closes(words, chosen.end, chosen.winner) ? winner : null, end: chosen.end };
};

/** Adverbs may hide the article of `the first response`. */
const mentionStart = (words: Words, at: number): number =>
  mentionAt(words, at) === null ? skip(words, at, ADVERB) : at;

const statementAt = (words: Words, at: number): Statement | null => {
  if (has(EVEN, words[at])) return { winner: null, end: at + 1 };
  const mention = mentionAt(words, at);
  const found = mention === null ? choiceAt(words, at) : (judgementOf(words, mention) ?? victoryOf(words, mention));
  return found !== null && found.winner !== null && hedged(words, at) ? { ...found, winner: null } : found;
};

/** Is the clause that goes on here a question? */
const isQuestion = (words: Words, start: number): boolean => {
  for (let at = start; at < words.length && at < start + 4 * REACH; at += 1) {
    if (words[at] === "?") return true;
    if (END.has(words[at]!) && words[at] !== ",") return false;
  }
  return false;
};

/** Words, numbers and the punctuation that ends a clause; markdown and quotes are dropped. */
const wordsOf = (text: string): Words => text.toLowerCase().match(/[\p{L}\p{N}]+(?:['’]\p{L}+)?|[.!?;:,\n]/gu) ?? [];

/** The response that the reasoning's last plain statement calls better; `null` when the rule cannot tell. */
export const statedWinner = (reasoning: string): Winner | null => {
  const words = wordsOf(reasoning);
  let last: Statement | null = null;
  for (let at = 0; at < words.length; at += 1) last = statementAt(words, at) ?? last;
  if (last === null || last.winner === null || isQuestion(words, last.end)) return null;
  for (let at = last.end; at < words.length; at += 1) if (CONTRAST.has(words[at]!)) return null;
  return last.winner;
};
