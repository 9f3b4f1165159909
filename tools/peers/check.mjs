#!/usr/bin/env node
// The adapters in hosts that are too large to be development dependencies (Mastra 76 MB, Braintrust 63 MB): installs them in
// a temporary folder, compares the types there and runs the real packages. Needs a build and the registry.
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "r1reward-peers-"));
const peers = JSON.parse(readFileSync(join(here, "peers.json"), "utf8"));

const run = (command, args) => {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: folder,
    encoding: "utf8",
    timeout: 300_000,
  });
  if (status === 0) return;
  throw new Error(`${command} ${args.join(" ")}: exit code ${status}\n${error ?? ""}\n${stdout}\n${stderr}`);
};

try {
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module", dependencies: peers }));
  run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
  symlinkSync(join(root, "packages"), join(folder, "node_modules/@r1reward"), "dir");
  for (const name of ["types.ts", "run.mjs"]) cpSync(join(here, name), join(folder, name));
  const flags = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2023", "--types", ""];
  run(process.execPath, [join(root, "node_modules/@typescript/native/bin/tsc"), ...flags, "types.ts"]);
  console.log(
    `ok     types agree with ${Object.entries(peers)
      .map((one) => one.join("@"))
      .join(" and ")}`,
  );
  run(process.execPath, ["run.mjs"]);
  console.log("ok     scores, abstains and fails as documented inside the real packages");
} finally {
  rmSync(folder, { recursive: true, force: true });
}
