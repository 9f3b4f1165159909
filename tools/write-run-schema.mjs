#!/usr/bin/env node
// Writes packages/cli/schema/run.schema.json from the checks of configuration files: npm run schema
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";

const { status, stdout, stderr } = spawnSync(process.execPath, ["packages/cli/dist/main.js", "train", "schema"], {
  encoding: "utf8",
});
if (status !== 0) throw new Error(stderr);
writeFileSync("packages/cli/schema/run.schema.json", stdout);
spawnSync("npx", ["prettier", "--write", "packages/cli/schema/run.schema.json"], { stdio: "inherit" });
