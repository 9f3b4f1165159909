/** What `r1reward train` does. Loaded when it is asked for: the other commands need no engine. */
export { fileSchema } from "./config/json-schema.ts";
export { dryRun } from "./dry-run.ts";
export { openRun, peekRun, type FolderFlags } from "./folder.ts";
export { writeReport } from "./report.ts";
export { trainRun, type RunOutcome, type StageName } from "./run.ts";
