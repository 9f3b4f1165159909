/**
 * `@r1reward/adapters/scoring`: what all adapters share. How pairwise verdicts become numbers (`vsReference`,
 * `withinGroup`, `runningChampion`), what failing means, and what to build an adapter of one's own with.
 */
export * from "./types.ts";
export { decisionValue, vsReference, withinGroup } from "./scalarise.ts";
export type { VsReferenceOptions, WithinGroupOptions } from "./scalarise.ts";
export { runningChampion } from "./champion.ts";
export type { RunningChampionOptions } from "./champion.ts";
export { createScoring, numberOf, withHealth } from "./scoring.ts";
export type { HostSettings } from "./scoring.ts";
export { imageOfBase64, imageOfBytes, imageOfUrl } from "./question.ts";
export { CRITIQUE_LIMIT, critiqueOfDecision, critiqueOfJudgment } from "./critique.ts";
