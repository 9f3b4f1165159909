/** Optimisation as pure functions of tensors and numbers. */
export { adamw, type AdamW, type AdamWInput, type AdamWOptions, type AdamWState } from "./adamw.ts";
export { constantSchedule, cosineSchedule, linearSchedule, type Schedule, type ScheduleOptions } from "./schedules.ts";
export { accumulate, clipByGlobalNorm, globalNorm, mapTrees, zerosLikeTree } from "./trees.ts";
