/** A prompt of the AI SDK as the question that the judge sees. */
import { RewardError, type Part } from "@r1reward/core";
import { imageOfBase64, imageOfBytes, imageOfUrl } from "../scoring/question.ts";
import type { FileData, PromptPart, PromptTurn } from "./shapes.ts";

const fail = (problem: string): never => {
  throw new RewardError("ai-sdk", undefined, `question: ${problem}; give the option question`);
};

const imageOf = (mediaType: string, data: FileData): Part => {
  if (data instanceof URL) return imageOfUrl(data);
  if (data instanceof Uint8Array) return imageOfBytes(data);
  if (typeof data === "string") return /^(data|https?):/.test(data) ? imageOfUrl(data) : imageOfBase64(mediaType, data);
  if ("url" in data) return imageOfUrl(data.url);
  if ("data" in data) return imageOf(mediaType, data.data);
  return fail(`expected an image with data or a URL, got one of type ${data.type}`);
};

const partOf = (part: PromptPart): readonly Part[] => {
  if (part.type === "text") return [{ type: "text", text: part.text ?? "" }];
  if (part.type === "reasoning") return [];
  const { type, mediaType = "" } = part;
  const isImage = type === "file" && (mediaType === "image" || mediaType.startsWith("image/"));
  return isImage
    ? [imageOf(mediaType, part.data as FileData)]
    : fail(`cannot show a ${type} ${mediaType} to the judge`);
};

const partsOf = ({ content }: PromptTurn): readonly Part[] =>
  typeof content === "string" ? [{ type: "text", text: content }] : content.flatMap(partOf);

/**
 * The user's turn, or a whole conversation with each turn's role before it. System turns are left out: they tell the
 * policy how to answer, not what was asked. Thoughts of earlier turns are left out too.
 *
 * @throws {RewardError} for tool calls and files that are no images.
 */
export const questionOfPrompt = (prompt: readonly PromptTurn[]): readonly Part[] => {
  const turns = prompt.filter(({ role }) => role !== "system");
  if (turns.length === 0) return fail("expected at least one turn besides the system's, got none");
  if (turns.length === 1) return partsOf(turns[0]!);
  return turns.flatMap((turn) => [{ type: "text", text: `\n[${turn.role}]\n` } as const, ...partsOf(turn)]);
};
