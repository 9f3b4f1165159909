import type { MediaSource, Part, Preference, Winner } from "../../types.ts";
import { expected, hasFields, idField, isObject, metaOf, own, pairField, textField } from "../fields.ts";
import { defineDatasetFormat, type DatasetFormat, type DatasetRow, type RowContext } from "../format.ts";
import { imageField, videoFolderField, type MediaField } from "../media-fields.ts";

const USED = ["id", "question", "image", "images", "video", "responses", "human", "group", "meta"];

const NONE: MediaField = {};

/** `{ path }`, `{ url }`, `{ dataUri }`, `{ bytes }`, or a string: base64, a data URI or a relative path. */
const anyImage = (value: unknown, field: string, context: RowContext): MediaField => {
  if (!isObject(value)) return imageField(value, field, context);
  const url = own(value, "url");
  const dataUri = own(value, "dataUri");
  if (typeof url === "string") return { part: imagePart({ url }) };
  if (typeof dataUri === "string") return { part: imagePart({ dataUri }) };
  return imageField(value, field, context);
};

const imagePart = (image: MediaSource): Part => ({ type: "image", image });

const anyVideo = (value: unknown, field: string, context: RowContext): MediaField => {
  if (!Array.isArray(value)) return videoFolderField(value, field, context);
  const frames = value.map((frame, index) => anyImage(frame, `${field}[${index}]`, context));
  const sources = frames.flatMap(({ part }) => (part?.type === "image" ? [part.image] : []));
  if (sources.length !== frames.length) return { path: frames[0]?.path };
  if (frames.length === 0) return expected(context, field, "a folder or a list of frames", value);
  return { part: { type: "video", video: { frames: sources } }, path: frames[0]?.path };
};

const anyPart = (value: unknown, field: string, context: RowContext): MediaField => {
  const part = isObject(value) ? value : expected(context, field, "a part with a type", value);
  const type = own(part, "type");
  if (type === "image") return anyImage(own(part, "image"), `${field}.image`, context);
  if (type === "video") return anyVideo(own(part, "video"), `${field}.video`, context);
  if (type !== "text") return expected(context, `${field}.type`, `"text", "image" or "video"`, type);
  const text = own(part, "text");
  return typeof text === "string" ? { part: { type, text } } : expected(context, `${field}.text`, "a string", text);
};

const isBlank = (value: unknown): boolean => value === undefined || value === null || value === "";

const questionFields = (row: DatasetRow, context: RowContext): readonly MediaField[] => {
  const question = own(row, "question");
  if (!Array.isArray(question)) return [{ part: { type: "text", text: textField(row, "question", context) } }];
  const fields = question.map((part, index) => anyPart(part, `question[${index}]`, context));
  const hasText = fields.some(({ part }) => part?.type === "text" && part.text.trim() !== "");
  return hasText ? fields : expected(context, "question", "parts with some text", question);
};

const imageFields = (row: DatasetRow, context: RowContext): readonly MediaField[] => {
  const images = own(row, "images");
  if (isBlank(images)) return isBlank(own(row, "image")) ? [] : [anyImage(own(row, "image"), "image", context)];
  if (!isBlank(own(row, "image"))) return expected(context, "images", "image or images, not both", images);
  return Array.isArray(images)
    ? images.map((value, index) => anyImage(value, `images[${index}]`, context))
    : expected(context, "images", "a list of images", images);
};

const humanOf = (row: DatasetRow, context: RowContext): Winner | undefined => {
  const human = own(row, "human");
  if (human === undefined || human === null) return undefined;
  // Parquet integers come as bigints.
  const index = typeof human === "bigint" ? Number(human) : human;
  return index === 0 || index === 1
    ? index
    : expected(context, "human", "0 or 1, the index of the better response", human);
};

const pathsOf = (name: string, fields: readonly MediaField[]): Record<string, string | readonly string[]> => {
  const paths = fields.flatMap(({ path }) => (path === undefined ? [] : [path]));
  if (paths.length === 0) return {};
  return { [name]: paths.length === 1 ? paths[0]! : paths };
};

const toPreference = (row: DatasetRow, context: RowContext): Preference => {
  const images = imageFields(row, context);
  const video = isBlank(own(row, "video")) ? NONE : anyVideo(own(row, "video"), "video", context);
  const question = [...images, video, ...questionFields(row, context)];
  const extra = own(row, "meta");
  if (!isBlank(extra) && !isObject(extra)) return expected(context, "meta", "an object", extra);
  const human = humanOf(row, context);
  return {
    id: idField(row, "id", context),
    question: question.flatMap(({ part }) => (part === undefined ? [] : [part])),
    responses: pairField(row, "responses", context),
    ...(human === undefined ? {} : { human }),
    ...(isBlank(own(row, "group")) ? {} : { group: idField(row, "group", context) }),
    meta: {
      ...metaOf(row, USED),
      ...(isObject(extra) ? metaOf(extra, []) : {}),
      ...pathsOf("image", images),
      ...pathsOf("video", [video]),
    },
  };
};

/**
 * This project's own layout, one pair per line: `{ id, question, image?, images?, video?, responses: [a, b], human?,
 * group?, meta? }`. `question` is a string or a list of parts; `human` is the index (0 or 1) of the better response;
 * an image is a relative path, base64, a data URI, `{ path }`, `{ url }` or `{ dataUri }`; a video is a folder or a
 * list of images. All other fields go to `meta`.
 */
export const plainPairsFormat: DatasetFormat = defineDatasetFormat({
  name: "plain-pairs",
  detect: (row) => hasFields(row, "id", "question", "responses"),
  toPreferences: (row, context) => [toPreference(row, context)],
});
