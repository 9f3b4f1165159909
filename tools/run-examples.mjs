#!/usr/bin/env node
// Runs every example of examples/ as a user would, in turn; each must end with exit code 0 within its time.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";

const examples = readdirSync("examples").filter((name) => /^\d\d-.*\.mjs$/.test(name));
if (examples.length === 0) throw new Error("examples/: expected at least one example");
let failed = 0;
for (const name of examples) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [name], {
    cwd: "examples",
    encoding: "utf8",
    timeout: 120_000,
  });
  console.log(`${status === 0 ? "ok    " : "FAILED"} examples/${name}`);
  if (status !== 0) console.log(`${stdout}${stderr}`);
  failed += status === 0 ? 0 : 1;
}
console.log(`${examples.length - failed} of ${examples.length} examples ran`);
process.exitCode = failed === 0 ? 0 : 1;
