/**
 * The chat template of Qwen2.5-VL, as pieces instead of one string: what is markup stays markup, what is text stays text.
 *
 * Byte-level BPE splits a text at special tokens before anything else, so the text between two of them can be encoded
 * on its own with the same ids as in the whole. A piece of text therefore reaches from one special token to the next,
 * the role's name and line break included.
 */
import { ConfigError, type LoadedPart, type Message, type Part } from "@r1reward/core";

/** A stretch of a rendered chat. */
export type ChatPiece =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "special"; readonly token: string }
  /** As many pads as the `media`-th image or video has merged patches. */
  | { readonly kind: "pads"; readonly token: string; readonly media: number };

/** How a chat is rendered. */
export interface ChatOptions {
  /** Ends with the beginning of the assistant's turn. Default true. */
  readonly generationPrompt?: boolean | undefined;
  /** Writes `Picture 1: ` and `Video 1: ` before images and videos. Default false. */
  readonly visionIds?: boolean | undefined;
  /** The system message of a chat that begins with another role. Default Qwen2.5-VL's; `""` is an empty one. */
  readonly defaultSystem?: string | undefined;
}

/** A message with media as it was given, or loaded. */
export type ChatMessage = Message<Part | LoadedPart>;

const DEFAULT_SYSTEM = "You are a helpful assistant.";
const ROLES: readonly string[] = ["system", "user", "assistant"];

const VISION = {
  image: { pad: "<|image_pad|>", label: "Picture" },
  video: { pad: "<|video_pad|>", label: "Video" },
} as const;

/** Joins neighbouring texts and drops empty ones. */
const joined = (pieces: readonly ChatPiece[]): readonly ChatPiece[] => {
  const result: ChatPiece[] = [];
  for (const piece of pieces) {
    const last = result.at(-1);
    if (piece.kind === "text" && last?.kind === "text") {
      result[result.length - 1] = { kind: "text", text: last.text + piece.text };
    } else if (piece.kind !== "text" || piece.text !== "") result.push(piece);
  }
  return result;
};

const text = (value: string): ChatPiece => ({ kind: "text", text: value });
const special = (token: string): ChatPiece => ({ kind: "special", token });

/** Numbers images and videos through the whole chat. */
const partRenderer = (withIds: boolean) => {
  const seen = { image: 0, video: 0 };
  return (part: Part | LoadedPart): readonly ChatPiece[] => {
    if (part.type === "text") return [text(part.text)];
    const { pad, label } = VISION[part.type];
    const media = seen.image + seen.video;
    const number = ++seen[part.type];
    const pads: ChatPiece = { kind: "pads", token: pad, media };
    return [text(withIds ? `${label} ${number}: ` : ""), special("<|vision_start|>"), pads, special("<|vision_end|>")];
  };
};

/**
 * Renders messages. The result is, piece by piece, what Qwen2.5-VL's own template gives (`chat_template.json`), with a
 * system message in front when there is none.
 *
 * @throws ConfigError for no messages, or a role or part that the template does not know
 */
export const chatPieces = (messages: readonly ChatMessage[], options: ChatOptions = {}): readonly ChatPiece[] => {
  const { generationPrompt = true, visionIds = false, defaultSystem = DEFAULT_SYSTEM } = options;
  if (messages.length === 0) throw new ConfigError("chat: expected at least one message, got none");
  const render = partRenderer(visionIds);
  const turn = (role: string, content: readonly ChatPiece[]): readonly ChatPiece[] => [
    special("<|im_start|>"),
    text(`${role}\n`),
    ...content,
    special("<|im_end|>"),
    text("\n"),
  ];
  const turns = messages.flatMap(({ role, content }, i) => {
    if (!ROLES.includes(role)) throw new ConfigError(`messages[${i}]: role: expected one of ${ROLES.join(", ")}`);
    content.forEach(({ type }, part) => {
      if (type === "text" || Object.hasOwn(VISION, type)) return;
      throw new ConfigError(
        `messages[${i}].content[${part}]: type: expected text, image or video, got ${String(type)}`,
      );
    });
    return turn(role, content.flatMap(render));
  });
  const system = messages[0]!.role === "system" ? [] : turn("system", [text(defaultSystem)]);
  const ending = generationPrompt ? [special("<|im_start|>"), text("assistant\n")] : [];
  return joined([...system, ...turns, ...ending]);
};
