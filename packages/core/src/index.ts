/** @r1reward/core: judging, rewarding and evaluating. Runs in Node and in browsers; Node parts are under `/node`. */
export * from "./types.ts";
export * from "./interfaces.ts";
export * from "./errors.ts";
