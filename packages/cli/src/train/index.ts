/** What `r1reward train` does. Loaded when it is asked for: the other commands need no engine. */
export { fileSchema } from "./config/json-schema.ts";
export { dryRun } from "./dry-run.ts";
export { openRun, peekRun, type FolderFlags } from "./folder.ts";
export { writeReport } from "./report.ts";
export { trainRun } from "./run.ts";
export type { RunOutcome, StageName } from "./run-state.ts";
