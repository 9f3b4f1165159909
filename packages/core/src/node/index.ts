/** @r1reward/core/node: what needs Node. */
export * from "./datasets.ts";
export * from "./disk-cache.ts";
export * from "./jsonl.ts";
export * from "./media.ts";
export * from "./parquet.ts";
export { pictureKey, type PictureKeyOptions } from "./picture-key.ts";
export * from "./prune-cache.ts";
export { resizerVersion } from "./resize.ts";
