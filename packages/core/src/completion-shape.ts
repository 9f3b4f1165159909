import type { Completion, TokenLogp } from "./types.ts";

type Loose = Readonly<Record<string, unknown>>;

const isRecord = (value: unknown): value is Loose => typeof value === "object" && value !== null;
const isLogp = (value: unknown): boolean =>
  isRecord(value) && typeof value.token === "string" && Number.isFinite(value.logp);
const isTokenLogp = (value: unknown): value is TokenLogp =>
  isLogp(value) && Array.isArray((value as Loose).top) && ((value as Loose).top as unknown[]).every(isLogp);
const isCount = (value: unknown): boolean => value === null || (Number.isSafeInteger(value) && Number(value) >= 0);
const isDuration = (value: unknown): boolean => typeof value === "number" && Number.isFinite(value) && value >= 0;

const CHECKS: readonly (readonly [field: string, expected: string, holds: (reply: Loose) => boolean])[] = [
  ["text", "a string", (reply) => typeof reply.text === "string"],
  [
    "finishReason",
    '"stop", "length", "content-filter" or "other"',
    (reply) => ["stop", "length", "content-filter", "other"].includes(String(reply.finishReason)),
  ],
  [
    "usage",
    "token counts or nulls",
    ({ usage }) => isRecord(usage) && isCount(usage.promptTokens) && isCount(usage.completionTokens),
  ],
  [
    "logps",
    "tokens with finite log-probabilities",
    ({ logps }) => logps === undefined || (Array.isArray(logps) && logps.every(isTokenLogp)),
  ],
  ["latencyMs", "milliseconds of at least 0", (reply) => isDuration(reply.latencyMs)],
];

/** What keeps a value from being a `Completion`, as `field: expected …`; `null` when nothing does. */
export const completionProblem = (value: unknown): string | null => {
  if (!isRecord(value)) return `expected a completion, got ${value === null ? "null" : typeof value}`;
  const broken = CHECKS.find(([, , holds]) => !holds(value));
  return broken === undefined ? null : `${broken[0]}: expected ${broken[1]}`;
};

/** Is this a whole completion, with finite numbers throughout? */
export const isCompletion = (value: unknown): value is Completion => completionProblem(value) === null;
