/** From an image or video field of a record to a media source. The format says what a string in it means. */
import { DatasetError } from "../errors.ts";
import { decodeBase64 } from "../media/base64.ts";
import { sniffMediaType } from "../media/header.ts";
import type { MediaSource, Part } from "../types.ts";
import { describe, expected, isObject, own } from "./fields.ts";
import type { RowContext } from "./format.ts";

/** What a media field yields: a part unless the medium was left out, and the name that the record gives it. */
export interface MediaField {
  readonly part?: Part | undefined;
  readonly path?: string | undefined;
}

const MAX_PATH = 4096;
const SNIFFED_CHARACTERS = 16; // base64 of the 12 bytes that name a format

/** The data URI of base64 text whose first bytes name a supported image format. */
const base64Image = (text: string): string | undefined => {
  const start = text.slice(0, SNIFFED_CHARACTERS);
  if (start.length < SNIFFED_CHARACTERS || !/^[A-Za-z0-9+/]+$/.test(start)) return undefined;
  const mediaType = sniffMediaType(decodeBase64(start));
  return mediaType === undefined ? undefined : `data:${mediaType};base64,${text}`;
};

const UNSAFE = /^[a-z][a-z0-9+.-]*:|^[\\/]/i; // a scheme, a drive letter, an absolute path

const checkedPath = (value: string, field: string, context: RowContext): string => {
  const isClean = value !== "" && value.length <= MAX_PATH && !value.includes("\0") && !/[\r\n]/.test(value);
  if (!isClean || UNSAFE.test(value) || value.split(/[\\/]/).includes("..")) {
    return expected(context, field, "a relative path inside the image folder", value);
  }
  return value;
};

const omitted = (path: string, field: string, context: RowContext): MediaField => {
  if (context.missingImages === "omit") {
    context.onImageOmitted();
    return { path };
  }
  throw new DatasetError(
    { file: context.file, line: context.line, field },
    `names a file (${describe(path)}) but no image folder was given: pass imageRoot, or missingImages: "omit" to judge without it`,
  );
};

const atPath = (
  value: string,
  field: string,
  context: RowContext,
  make: (path: string) => Part = (path) => ({ type: "image", image: { path } }),
): MediaField => {
  const path = checkedPath(value, field, context);
  return context.mediaPath === undefined
    ? omitted(path, field, context)
    : { part: make(context.mediaPath(path)), path };
};

const image = (source: MediaSource, path?: string): MediaField => ({ part: { type: "image", image: source }, path });

/** A field whose string is always a path of an image below the image folder. Throws `DatasetError`. */
export const imagePathField = (value: unknown, field: string, context: RowContext): MediaField =>
  typeof value === "string" ? atPath(value, field, context) : expected(context, field, "the path of an image", value);

/** A field whose string is always a folder of frames below the image folder. Throws `DatasetError`. */
export const videoFolderField = (value: unknown, field: string, context: RowContext): MediaField =>
  typeof value === "string"
    ? atPath(value, field, context, (folder) => ({ type: "video", video: { folder } }))
    : expected(context, field, "the path of a folder of frames", value);

const structImage = (value: Readonly<Record<string, unknown>>, field: string, context: RowContext): MediaField => {
  const bytes = own(value, "bytes");
  const path = own(value, "path");
  const name = typeof path === "string" && path !== "" ? path : undefined;
  if (bytes instanceof Uint8Array) return image({ bytes }, name);
  if (typeof bytes === "string") {
    const dataUri = base64Image(bytes);
    return dataUri === undefined ? expected(context, `${field}.bytes`, "an image", bytes) : image({ dataUri }, name);
  }
  return name === undefined
    ? expected(context, field, "an image with bytes or path", value)
    : atPath(name, field, context);
};

/**
 * A field that holds an image itself (bytes, base64 or a data URI; `{ bytes, path }` as published parquet files have
 * it), or else its path below the image folder. Base64 is known by the image signature it decodes to.
 *
 * @throws DatasetError
 */
export const imageField = (value: unknown, field: string, context: RowContext): MediaField => {
  if (value instanceof Uint8Array) return image({ bytes: value });
  if (isObject(value)) return structImage(value, field, context);
  if (typeof value !== "string" || value === "") {
    return expected(context, field, "an image: base64, bytes or a path", value);
  }
  if (value.startsWith("data:")) return image({ dataUri: value });
  const dataUri = base64Image(value);
  return dataUri === undefined ? atPath(value, field, context) : image({ dataUri });
};

const MARK = "<image>";

/**
 * Removes the `<image>` marks that some sources put before, after or on a line of their own beside the text: the image
 * is a part of its own here. Marks inside a sentence, numbered marks and everything else stay as they are.
 */
export const withoutImageMarks = (text: string): string => {
  if (!text.includes(MARK)) return text;
  let rest = text
    .split("\n")
    .filter((line) => line.trim() !== MARK)
    .join("\n");
  while (rest.startsWith(MARK)) rest = rest.slice(MARK.length).trimStart();
  while (rest.endsWith(MARK)) rest = rest.slice(0, -MARK.length).trimEnd();
  return rest;
};

/** A question as judges see it: its media first, then its text (paper section 1.4). */
export const questionOf = (text: string, ...media: readonly MediaField[]): readonly Part[] => [
  ...media.flatMap(({ part }) => (part === undefined ? [] : [part])),
  { type: "text", text },
];
