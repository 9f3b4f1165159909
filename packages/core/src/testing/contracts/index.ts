export * from "./chat-model.ts";
export { type ContractCheck } from "./check.ts";
export * from "./judge-protocol.ts";
export * from "./pairwise-judge.ts";
export * from "./response-cache.ts";
export * from "./reward-function.ts";
