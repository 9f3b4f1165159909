/** Reads records that were saved: whatever a file holds, it is a record with known fields or an error that says where. */
import { DatasetError, type DatasetLocation } from "../errors.ts";
import type { JudgeWarning, UnreadableReason, Verdict } from "../types.ts";
import { outcomeOf, type DecisionSummary, type EvalRecord, type JudgmentSummary } from "./records.ts";

/** A value of the file and the path to it. */
interface Field {
  readonly value: unknown;
  readonly at: string;
  readonly where: DatasetLocation;
}

const fail = ({ at, where, value }: Field, expected: string): never => {
  const shown = (JSON.stringify(value) ?? "nothing").slice(0, 60);
  throw new DatasetError({ ...where, field: at }, `expected ${expected}, got ${shown}`);
};

const member = (field: Field, name: string): Field => {
  const { value, at, where } = field;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return fail(field, "an object");
  const own = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
  return { value: own, at: at === "" ? name : `${at}.${name}`, where };
};

const string = (field: Field): string => (typeof field.value === "string" ? field.value : fail(field, "a string"));

const boolean = (field: Field): boolean =>
  typeof field.value === "boolean" ? field.value : fail(field, "true or false");

const integer = (field: Field): number =>
  typeof field.value === "number" && Number.isSafeInteger(field.value) ? field.value : fail(field, "a whole number");

const count = (field: Field): number => (integer(field) >= 0 ? integer(field) : fail(field, "a count"));

const amount = (field: Field): number =>
  typeof field.value === "number" && Number.isFinite(field.value) && field.value >= 0
    ? field.value
    : fail(field, "a number of at least 0");

const probability = (field: Field): number => (amount(field) <= 1 ? amount(field) : fail(field, "a probability"));

const oneOf =
  <const T>(...allowed: readonly T[]) =>
  (field: Field): T =>
    allowed.includes(field.value as T)
      ? (field.value as T)
      : fail(field, `one of ${allowed.map((value) => JSON.stringify(value)).join(", ")}`);

const nullable =
  <T>(read: (field: Field) => T) =>
  (field: Field): T | null =>
    field.value === null ? null : read(field);

const items = <T>(field: Field, read: (field: Field) => T): readonly T[] => {
  const { value, at, where } = field;
  if (!Array.isArray(value)) return fail(field, "an array");
  return value.map((item: unknown, i) => read({ value: item, at: `${at}[${i}]`, where }));
};

const winner = oneOf(0, 1);

const reason = oneOf<UnreadableReason>("no-answer", "bad-answer", "cut-off", "refused", "empty", "too-long");

const verdict = (field: Field): Verdict => {
  const kind = oneOf("winner", "tie", "unreadable")(member(field, "kind"));
  if (kind === "winner") return { kind, winner: winner(member(field, "winner")) };
  return kind === "tie" ? { kind } : { kind, why: reason(member(field, "why")) };
};

const judgment = (field: Field): JudgmentSummary => {
  const usage = member(field, "usage");
  const warnings = member(field, "warnings");
  return {
    swapped: boolean(member(field, "swapped")),
    verdict: verdict(member(field, "verdict")),
    probability: nullable(probability)(member(field, "probability")),
    usage: {
      promptTokens: nullable(amount)(member(usage, "promptTokens")),
      completionTokens: nullable(amount)(member(usage, "completionTokens")),
    },
    latencyMs: nullable(amount)(member(field, "latencyMs")),
    cached: boolean(member(field, "cached")),
    // A warning of a later version is still a warning.
    ...(warnings.value === undefined ? {} : { warnings: items(warnings, (item) => string(item) as JudgeWarning) }),
  };
};

const votes = (field: Field): readonly [number, number] => {
  const [first, second, ...more] = items(field, count);
  return first === undefined || second === undefined || more.length > 0 ? fail(field, "two counts") : [first, second];
};

const decision = (field: Field): DecisionSummary => ({
  verdict: verdict(member(field, "verdict")),
  votes: votes(member(field, "votes")),
  ties: count(member(field, "ties")),
  unreadable: count(member(field, "unreadable")),
  consistent: nullable(boolean)(member(field, "consistent")),
  probability: nullable(probability)(member(field, "probability")),
  probabilitySource: nullable(oneOf("logprob", "votes", "swap"))(member(field, "probabilitySource")),
  judgments: items(member(field, "judgments"), judgment),
});

const settings = (field: Field): EvalRecord["settings"] => ({
  benchmark: string(member(field, "benchmark")),
  judge: string(member(field, "judge")),
  placement: oneOf("both", "random", "as-stored")(member(field, "placement")),
  votes: count(member(field, "votes")),
  seed: integer(member(field, "seed")),
  onTie: oneOf("tie", "first", "likeliest")(member(field, "onTie")),
  earlyStop: boolean(member(field, "earlyStop")),
});

const failure = (field: Field): NonNullable<EvalRecord["failure"]> => ({
  code: nullable(string)(member(field, "code")),
  message: string(member(field, "message")),
});

const categories = (field: Field): Readonly<Record<string, string>> => {
  const names =
    typeof field.value === "object" && field.value !== null ? Object.keys(field.value) : fail(field, "an object");
  return Object.fromEntries(names.map((name) => [name, string(member(field, name))]));
};

/** Exactly one of decision and failure, and `status` and `correct` as they follow from it. */
const checkResult = (record: EvalRecord, root: Field): EvalRecord => {
  if ((record.decision === null) === (record.failure === null)) {
    return fail({ ...root, at: "decision", value: record.decision }, "exactly one of decision and failure");
  }
  if ((record.status === "failed") !== (record.decision === null)) {
    return fail({ ...root, at: "status", value: record.status }, "failed if and only if there is no decision");
  }
  const correct = outcomeOf(record) === "correct";
  return record.correct === correct
    ? record
    : fail({ ...root, at: "correct", value: record.correct }, `${correct}, by decision and human`);
};

/**
 * Reads one saved record, a parsed line of JSONL. Fields it does not know are dropped.
 * Throws `DatasetError` with file, line and field of what is missing, of another type or contradicts itself.
 */
export const readRecord = (value: unknown, where: DatasetLocation): EvalRecord => {
  const root: Field = { value, at: "", where };
  const field = (name: string): Field => member(root, name);
  const record: EvalRecord = {
    key: string(field("key")),
    status: oneOf("ok", "failed")(field("status")),
    id: string(field("id")),
    group: nullable(string)(field("group")),
    cluster: string(field("cluster")),
    categories: categories(field("categories")),
    human: winner(field("human")),
    settings: settings(field("settings")),
    correct: boolean(field("correct")),
    decision: nullable(decision)(field("decision")),
    failure: nullable(failure)(field("failure")),
  };
  return checkResult(record, root);
};
