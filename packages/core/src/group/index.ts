/** Group rewards: the public names of this room. */
export { bradleyTerry } from "./bradley-terry.ts";
export type { BradleyTerryFit, BradleyTerryOptions, PairOutcome } from "./bradley-terry.ts";
export { openGroup } from "./open-group.ts";
export type { OpenGroup } from "./open-group.ts";
export { DEFAULT_GROUP_CAPACITY, MAX_GROUP_SIZE } from "./options.ts";
export type { GroupOptions, OpenGroupOptions } from "./options.ts";
export { hardOutcome, softOutcome } from "./outcome.ts";
export type { OutcomeRule, SoftOutcomeOptions } from "./outcome.ts";
export { defineSchedule } from "./schedule.ts";
export type { GroupSize, PlannedPair, Schedule, ScheduleState } from "./schedule.ts";
export { circulant, schedules, swiss } from "./schedules.ts";
export type { CirculantOptions, SchedulePreset } from "./schedules.ts";
export { scoreGroup } from "./score-group.ts";
export { spreadOf } from "./spread.ts";
export type { Anchor, Estimate, GroupComparison, GroupItem, GroupScores, ResponseGroup } from "./types.ts";
export { absoluteValue, rankNormalise, unitNormalise, winsMinusLosses } from "./values.ts";
export type { Normalise, PlacedAnchor, Standing } from "./values.ts";
