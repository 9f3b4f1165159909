/** From preferences back to rows: the writer of the layout `plain-pairs`. */
import { encodeBase64 } from "../media/base64.ts";
import { sniffMediaType } from "../media/header.ts";
import { MediaError } from "../errors.ts";
import type { JsonValue, MediaSource, Part, Preference, VideoSource } from "../types.ts";

/** One row, ready for `JSON.stringify`. */
export type JsonRow = Readonly<Record<string, JsonValue>>;

/** How images and paths are written. */
export interface RowOptions {
  /** Names a path in the file; as it is unless given. A reader resolves it below its image folder. */
  readonly path?: ((path: string) => string) | undefined;
}

/** A data URI of encoded image bytes. Throws `MediaError` when they are no image. */
export const dataUriOf = (bytes: Uint8Array): string => {
  const type = sniffMediaType(bytes);
  if (type === undefined) throw new MediaError("unknown-type", "image: expected PNG, JPEG, WebP or GIF bytes");
  return `data:${type};base64,${new TextDecoder().decode(encodeBase64(bytes))}`;
};

const asIs = (path: string): string => path;

const imageValue = (source: MediaSource, { path = asIs }: RowOptions): JsonValue => {
  if ("bytes" in source) return dataUriOf(source.bytes);
  if ("dataUri" in source) return source.dataUri;
  return "url" in source ? { url: source.url } : path(source.path);
};

const videoValue = (source: VideoSource, options: RowOptions): JsonValue =>
  "folder" in source ? (options.path ?? asIs)(source.folder) : source.frames.map((frame) => imageValue(frame, options));

const partValue = (part: Part, options: RowOptions): JsonValue => {
  if (part.type === "text") return { type: "text", text: part.text };
  return part.type === "image"
    ? { type: "image", image: imageValue(part.image, options) }
    : { type: "video", video: videoValue(part.video, options) };
};

/** Images first and one text last, the usual case, is written in fields of its own; anything else as a list of parts. */
const questionFields = (question: readonly Part[], options: RowOptions): JsonRow => {
  const last = question.at(-1);
  const media = question.slice(0, -1);
  const images = media.flatMap((part) => (part.type === "image" ? [imageValue(part.image, options)] : []));
  if (last?.type !== "text" || images.length !== media.length) {
    return { question: question.map((part) => partValue(part, options)) };
  }
  if (images.length === 0) return { question: last.text };
  return { ...(images.length === 1 ? { image: images[0]! } : { images }), question: last.text };
};

const OWN = new Set(["id", "question", "image", "images", "video", "responses", "human", "group", "meta", "__proto__"]);

/** What the reader makes of a picture's path is not written twice. */
const metaFields = (meta: Preference["meta"] = {}): JsonRow => {
  const { image: _image, video: _video, ...rest } = meta;
  const entries = Object.entries(rest);
  const clashing = entries.filter(([name]) => OWN.has(name));
  const free = entries.filter(([name]) => !OWN.has(name));
  return { ...Object.fromEntries(free), ...(clashing.length === 0 ? {} : { meta: Object.fromEntries(clashing) }) };
};

/**
 * The row of a pair in the layout `plain-pairs`; `plainPairsFormat` reads the same pair out of it. Fields of `meta` become
 * fields of the row.
 *
 * @throws MediaError when image bytes are no image
 */
export const plainPairRow = (pair: Preference, options: RowOptions = {}): JsonRow => ({
  id: pair.id,
  ...questionFields(pair.question, options),
  responses: pair.responses,
  ...(pair.human === undefined ? {} : { human: pair.human }),
  ...(pair.group === undefined ? {} : { group: pair.group }),
  ...metaFields(pair.meta),
});
