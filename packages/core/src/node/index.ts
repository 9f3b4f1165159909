/** @r1reward/core/node: what needs Node. */
export * from "./disk-cache.ts";
