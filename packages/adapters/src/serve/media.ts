/** Image values found in requests, labels and datasets. Reading them is the judge's loader's job, and so are its limits. */
import type { MediaSource } from "@r1reward/core";
import { isFields } from "./fields.ts";

const SIGNATURES: readonly (readonly [string, string])[] = [
  ["iVBORw0KGgo", "image/png"],
  ["/9j/", "image/jpeg"],
  ["R0lGOD", "image/gif"],
  ["UklGR", "image/webp"],
];

const fromText = (text: string): MediaSource | undefined => {
  if (text === "" || text.includes("\0")) return undefined;
  if (text.startsWith("data:")) return { dataUri: text };
  if (/^https?:\/\//i.test(text)) return { url: text };
  if (/^[a-z][a-z0-9+.-]*:/i.test(text) || text.length > 4096) {
    return fromBase64(text);
  }
  return fromBase64(text) ?? { path: text };
};

const fromBase64 = (text: string): MediaSource | undefined => {
  const found = text.length >= 64 ? SIGNATURES.find(([start]) => text.startsWith(start)) : undefined;
  return found === undefined ? undefined : { dataUri: `data:${found[1]};base64,${text}` };
};

/**
 * The image that a value stands for: a data URI, base64, an address, a path, bytes, or an object with one of them.
 * Addresses and paths only say where: the judge's media loader decides whether it goes there, and refuses unless told.
 */
export const mediaSource = (value: unknown): MediaSource | undefined => {
  if (typeof value === "string") return fromText(value);
  if (value instanceof Uint8Array) return { bytes: value };
  if (!isFields(value)) return undefined;
  const inner = value["bytes"] ?? value["data"] ?? value["base64"] ?? value["url"] ?? value["path"] ?? value["image"];
  return typeof inner === "string" || inner instanceof Uint8Array ? mediaSource(inner) : undefined;
};

/** All images that a value holds: one, or a list of them. */
export const mediaSources = (value: unknown): readonly MediaSource[] =>
  (Array.isArray(value) ? value : [value]).flatMap((one) => mediaSource(one) ?? []);

const FIELDS = ["images", "image", "image_url", "image_path", "image_urls"] as const;

/** Images under the usual names of an object. */
export const mediaFields = (value: unknown): readonly MediaSource[] => {
  if (!isFields(value)) return [];
  for (const name of FIELDS) {
    const found = mediaSources(value[name]);
    if (found.length > 0) return found;
  }
  return [];
};

/** What tells one image from another without reading it. */
export const mediaKey = (source: MediaSource): string => {
  if ("bytes" in source) return `bytes:${Buffer.from(source.bytes).toString("latin1")}`;
  return JSON.stringify(source);
};
