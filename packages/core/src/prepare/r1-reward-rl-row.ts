/** The writer of R1-Reward-RL's layout (paper, section 4.3): what the released trainer reads. */
import { ConfigError } from "../errors.ts";
import type { JudgeProtocol } from "../interfaces.ts";
import { createR1Protocol } from "../protocol/r1.ts";
import type { JsonValue, MediaSource, Part, Preference } from "../types.ts";
import { dataUriOf, type JsonRow, type RowOptions } from "./plain-row.ts";

const trainProtocol = createR1Protocol({ preset: "train" });

/** How rows are written. */
export interface R1RewardRlOptions extends RowOptions {
  /** How the judge is asked; `createR1Protocol({ preset: "train" })` unless given: text first, then the image. */
  readonly protocol?: JudgeProtocol | undefined;
}

const imageOf = (source: MediaSource, path: (path: string) => string): string => {
  if ("bytes" in source) return dataUriOf(source.bytes);
  if ("dataUri" in source) return source.dataUri;
  return "url" in source ? source.url : path(source.path);
};

const partOf = (part: Part, id: string, { path = (name) => name }: RowOptions): JsonValue => {
  if (part.type === "text") return { type: "text", text: part.text };
  if (part.type === "image") return { type: "image", image: imageOf(part.image, path) };
  throw new ConfigError(`pair ${JSON.stringify(id)}: the layout r1-reward-rl has no place for a video`);
};

/**
 * The row of a labelled pair: `message` is a JSON chat whose one turn is the judge's prompt and the image, `answer` the
 * choice as the trainer checks it. `r1RewardRlFormat` reads the same question and responses out of it.
 *
 * @throws ConfigError when the pair has no human choice, more than one image, or a video
 */
export const r1RewardRlRow = (pair: Preference, options: R1RewardRlOptions = {}): JsonRow => {
  const { protocol = trainProtocol } = options;
  if (pair.human === undefined) {
    throw new ConfigError(`pair ${JSON.stringify(pair.id)}: expected a human choice (0 or 1) to write, got none`);
  }
  const images = pair.question.filter(({ type }) => type === "image").length;
  if (images > 1) {
    throw new ConfigError(`pair ${JSON.stringify(pair.id)}: the layout r1-reward-rl has one image, got ${images}`);
  }
  const chat = protocol.prompt(pair).map(({ role, content }) => ({
    role,
    content: content.map((part) => partOf(part, pair.id, options)),
  }));
  const texts = pair.question.flatMap((part) => (part.type === "text" ? [part.text] : []));
  return {
    id: pair.id,
    message: JSON.stringify(chat),
    question: texts.join("\n"),
    answer: [`<answer>${pair.human + 1}</answer>`],
  };
};
