/** @r1reward/core/testing: models that need no network, and what every implementation of an interface must pass. */
export * from "./contracts/index.ts";
export * from "./fault-server.ts";
export * from "./recorded-model.ts";
export * from "./scripted-model.ts";
export * from "./simulated-judge.ts";
