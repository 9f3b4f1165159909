/** P(first label) at the answer token, from the log-probabilities that came with a reply. */
import type { TokenLogp } from "../types.ts";
import type { AnswerLocator } from "./verdict-scanner.ts";

/** The two labels whose probabilities are compared. */
export interface LabelPair {
  readonly first: string;
  readonly second: string;
}

/** vLLM writes this where it has no log-probability; it stands for a missing value, not for a small one. */
const MISSING_LOGP = -9999;

/** How many characters two labels share at their beginning: `[[` of `[[A]]` and `[[B]]`. */
const sharedStart = (a: string, b: string): number => {
  let n = 0;
  while (n < a.length && n < b.length && a[n] === b[n]) n++;
  return n;
};

const sharedEnd = (a: string, b: string): number => {
  let n = 0;
  while (n < a.length && n < b.length && a[a.length - 1 - n] === b[b.length - 1 - n]) n++;
  return n;
};

/** The token that covers the character at `offset` of the joined token texts, and where that token begins. */
const tokenAt = (logps: readonly TokenLogp[], offset: number) => {
  let start = 0;
  for (const entry of logps) {
    const end = start + entry.token.length;
    if (offset < end) return { entry, start };
    start = end;
  }
  return undefined;
};

/** Log-probability of a token text: the sampled token's own, else that of the alternative which reads the same. */
const logpOf = (entry: TokenLogp, token: string): number | undefined => {
  const logp = entry.token === token ? entry.logp : entry.top.find((other) => other.token === token)?.logp;
  return logp !== undefined && Number.isFinite(logp) && logp > MISSING_LOGP ? logp : undefined;
};

/** The part in which the labels differ, e.g. `1` of `Answer 1 is better`. */
const differingParts = ({ first, second }: LabelPair) => {
  const head = sharedStart(first, second);
  const tail = sharedEnd(first.slice(head), second.slice(head));
  return { head, first: first.slice(head, first.length - tail), second: second.slice(head, second.length - tail) };
};

/**
 * P(first) / (P(first) + P(second)) at the token in which the answer's label differs from the other one.
 *
 * The answer is located in the joined token texts by the rules that read the reply, and its token is found by walking
 * them: a digit elsewhere in the reply is never mistaken for it, and a character of the thought that was split into
 * broken tokens does no harm. The other label's probability is that of the same token with the label exchanged. When it
 * is not among the reported alternatives the answer is `undefined`: the alternatives only bound it, and a bound is not
 * a probability (ask for more of them, or for the two token ids). `answer` is the label that was read from the text.
 */
export const answerProbability = (
  logps: readonly TokenLogp[],
  locate: AnswerLocator,
  labels: LabelPair,
  answer: string,
): number | undefined => {
  const joined = logps.map((entry) => entry.token).join("");
  const span = locate(joined);
  if ("why" in span || joined.slice(span.start, span.end) !== answer) return undefined;

  const parts = differingParts(labels);
  const said = answer === labels.first ? parts.first : parts.second;
  if (parts.first === "" || parts.second === "") return undefined; // one label begins the other: no token tells
  const at = span.start + parts.head;
  const found = tokenAt(logps, at);
  if (found === undefined || found.start + found.entry.token.length < at + said.length) return undefined;

  const token = found.entry.token;
  const before = token.slice(0, at - found.start);
  const after = token.slice(at - found.start + said.length);
  const logpFirst = logpOf(found.entry, before + parts.first + after);
  const logpSecond = logpOf(found.entry, before + parts.second + after);
  return logpFirst === undefined || logpSecond === undefined ? undefined : 1 / (1 + Math.exp(logpSecond - logpFirst));
};
