import type { Preference, Winner } from "../../types.ts";
import { expected, hasFields, idField, isObject, metaOf, own, textField } from "../fields.ts";
import { defineDatasetFormat, type DatasetFormat, type DatasetRow, type RowContext } from "../format.ts";
import { parseJson } from "../json.ts";
import { imageField, questionOf, withoutImageMarks } from "../media-fields.ts";
import { splitJudgePrompt } from "./judge-prompt.ts";

interface UserTurn {
  readonly text: string;
  readonly image: unknown;
}

const parsed = (value: unknown, field: string, context: RowContext): unknown =>
  typeof value === "string" && /^\s*[[{]/.test(value) ? parseJson(value, { ...context, field }) : value;

/** The text and the image of the chat's one user turn, whose content is a string or a list of parts. */
const userTurn = (row: DatasetRow, context: RowContext): UserTurn => {
  const value = parsed(own(row, "message"), "message", context);
  const turns: readonly unknown[] = Array.isArray(value) ? value : [value];
  const users = turns.filter(isObject).filter((turn) => own(turn, "role") === "user");
  const [user] = users;
  if (user === undefined || users.length > 1) {
    return expected(context, "message", "a JSON chat with one user turn", value);
  }
  const content = own(user, "content");
  if (typeof content === "string") return { text: content, image: undefined };
  if (!Array.isArray(content)) return expected(context, "message", "content of text and an image", content);
  const parts = (content as readonly unknown[]).filter(isObject);
  const texts = parts.map((part) => own(part, "text")).filter((text) => typeof text === "string");
  const image = parts.map((part) => own(part, "image")).find((source) => source !== undefined && source !== null);
  return texts.length === 1 ? { text: texts[0]!, image } : expected(context, "message", "one text", texts);
};

const LABELS: ReadonlyMap<string, Winner> = new Map([
  ["<answer>1</answer>", 0],
  ["<answer>2</answer>", 1],
]);

const winnerOf = (row: DatasetRow, context: RowContext): Winner => {
  const value = parsed(own(row, "answer"), "answer", context);
  const label: unknown = Array.isArray(value) && value.length === 1 ? value[0] : value;
  const winner = typeof label === "string" ? LABELS.get(label.trim()) : undefined;
  return winner ?? expected(context, "answer", `["<answer>1</answer>"] or ["<answer>2</answer>"]`, label);
};

const isBlank = (value: unknown): boolean => value === undefined || value === null || value === "";

const toPreference = (row: DatasetRow, context: RowContext): Preference => {
  const turn = userTurn(row, context);
  const pieces = splitJudgePrompt(turn.text, "message", context);
  // The column is the source's own word for the question, so it may stand in where the prompt has no heading for it.
  const question = pieces.question ?? textField(row, "question", context);
  if (question.trim() === "") return expected(context, "message", "a question", question);
  const column = own(row, "image");
  const picture = isBlank(column) ? imageField(turn.image, "message", context) : imageField(column, "image", context);
  return {
    id: isBlank(own(row, "id")) ? `row-${context.line}` : idField(row, "id", context),
    question: questionOf(withoutImageMarks(question), picture),
    responses: pieces.responses,
    human: winnerOf(row, context),
    meta: {
      ...metaOf(row, ["id", "message", "answer", "image"]),
      ...(picture.path === undefined ? {} : { image: picture.path }),
    },
  };
};

/**
 * R1-Reward-RL: `question`, `message` (a JSON chat whose text is a judge's prompt), `answer`
 * (`["<answer>2</answer>"]`) and `image` (base64, or a path), paper section 4.3. Question and responses are taken out
 * of the prompt, so that they can be put into another one; without an id column the id is the row's number.
 */
export const r1RewardRlFormat: DatasetFormat = defineDatasetFormat({
  name: "r1-reward-rl",
  detect: (row) => hasFields(row, "question", "message", "answer"),
  toPreferences: (row, context) => [toPreference(row, context)],
});
