/**
 * Request bodies, written so that an image costs nothing: JSON text, the image's base64 bytes as they lie in memory,
 * JSON text. Joined, the pieces are exactly what `JSON.stringify` would give. Base64 needs no escaping in JSON.
 */
import { ConfigError, MediaError } from "../errors.ts";
import type { LoadedImage, LoadedPart, LoadedVideoPart, Message } from "../types.ts";
import type { Dialect, Fields } from "./dialect.ts";

/** Pieces of a body, in order. */
export type Pieces = readonly (string | Uint8Array)[];

/** The messages of a request, ready to be sent with any fields. */
export interface PreparedMessages {
  /** `[…]`, the messages alone. */
  readonly pieces: Pieces;
  /** Fields that the media need besides (frame rate of a video). */
  readonly fields: Fields;
}

/** How videos are sent: as the dialect does, or as images whatever the dialect. */
export type VideoPlacement = "auto" | "images";

interface Writer {
  readonly done: (string | Uint8Array)[];
  text: string;
  fps: number | undefined;
}

const splice = (writer: Writer, bytes: Uint8Array): void => {
  writer.done.push(writer.text, bytes);
  writer.text = "";
};

const writeImage = (writer: Writer, image: LoadedImage, dialect: Dialect): void => {
  if (!dialect.mediaTypes.includes(image.mediaType)) {
    throw new MediaError(
      "media-type",
      `image: expected ${dialect.mediaTypes.join(", ")} for the dialect ${dialect.name}, got ${image.mediaType}`,
    );
  }
  writer.text += `{"type":"image_url","image_url":{"url":"data:${image.mediaType};base64,`;
  splice(writer, image.base64);
  writer.text += '"}}';
};

const checkFrames = (part: LoadedVideoPart): void => {
  const first = part.frames[0];
  if (first === undefined) throw new MediaError("no-frames", "video: expected at least one frame, got none");
  const odd = part.frames.find(({ width, height }) => width !== first.width || height !== first.height);
  if (odd !== undefined) {
    throw new MediaError(
      "frame-size",
      `video: expected frames of one size (${first.width}x${first.height}), got ${odd.width}x${odd.height}`,
    );
  }
  const other = part.frames.find(({ mediaType }) => mediaType !== "image/jpeg");
  if (other !== undefined) {
    throw new MediaError("media-type", `video: expected JPEG frames for a frame list, got ${other.mediaType}`);
  }
};

const writeVideo = (writer: Writer, part: LoadedVideoPart): void => {
  checkFrames(part);
  if (writer.fps !== undefined && writer.fps !== part.fps) {
    throw new ConfigError(`video: expected one frame rate per request, got ${writer.fps} and ${part.fps}`);
  }
  writer.fps = part.fps;
  writer.text += '{"type":"video_url","video_url":{"url":"data:video/jpeg;base64,';
  part.frames.forEach((frame, index) => {
    if (index > 0) writer.text += ",";
    splice(writer, frame.base64);
  });
  writer.text += '"}}';
};

const writePart = (writer: Writer, part: LoadedPart, dialect: Dialect): void => {
  if (part.type === "text") writer.text += `{"type":"text","text":${JSON.stringify(part.text)}}`;
  else if (part.type === "image") writeImage(writer, part.image, dialect);
  else writeVideo(writer, part);
};

// Where a dialect has no videos, a video is its frames.
const spread = (parts: readonly LoadedPart[], asImages: boolean): readonly LoadedPart[] =>
  asImages && parts.some(({ type }) => type === "video")
    ? parts.flatMap((part) => (part.type === "video" ? part.frames.map((image) => ({ type: "image", image })) : part))
    : parts;

const writeMessage = (writer: Writer, message: Message<LoadedPart>, dialect: Dialect, asImages: boolean): void => {
  const [only] = message.content;
  writer.text += `{"role":"${message.role}","content":`;
  if (message.content.length === 1 && only?.type === "text") {
    writer.text += `${JSON.stringify(only.text)}}`;
    return;
  }
  writer.text += "[";
  spread(message.content, asImages).forEach((part, index) => {
    if (index > 0) writer.text += ",";
    writePart(writer, part, dialect);
  });
  writer.text += "]}";
};

/**
 * Writes the messages. A message of one text is sent as a string, any other as a list of parts.
 *
 * @throws MediaError for an image type that the server does not read, or frames that make no video.
 */
export const prepareMessages = (
  messages: readonly Message<LoadedPart>[],
  dialect: Dialect,
  placement: VideoPlacement = "auto",
): PreparedMessages => {
  const asImages = placement === "images" || dialect.video === "images";
  const writer: Writer = { done: [], text: "[", fps: undefined };
  messages.forEach((message, index) => {
    if (index > 0) writer.text += ",";
    writeMessage(writer, message, dialect, asImages);
  });
  writer.done.push(`${writer.text}]`);
  // Without these, vLLM keeps 32 frames and takes them for one per second.
  const video = { fps: writer.fps ?? 0, num_frames: -1, do_sample_frames: false };
  return { pieces: writer.done, fields: writer.fps === undefined ? {} : { media_io_kwargs: { video } } };
};

const MEDIA = "media_io_kwargs";

const merge = (own: Fields, given: Fields): Fields => {
  const [media, more] = [own[MEDIA], given[MEDIA]];
  if (media === undefined) return given;
  return { ...given, [MEDIA]: { ...(media as Fields), ...(more as Fields | undefined) } };
};

/** The whole body: `{"messages":…,` and then the fields. Several samples of a prompt share the prepared messages. */
export const requestBody = (messages: PreparedMessages, fields: Fields): Pieces => {
  const { pieces } = messages;
  const rest = JSON.stringify(merge(messages.fields, fields));
  const tail = rest === "{}" ? "}" : `,${rest.slice(1)}`;
  const first = pieces[0] as string;
  if (pieces.length === 1) return [`{"messages":${first}${tail}`];
  const last = pieces[pieces.length - 1] as string;
  return [`{"messages":${first}`, ...pieces.slice(1, -1), `${last}${tail}`];
};
