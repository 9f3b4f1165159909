#!/usr/bin/env node
// Checks every published package as npm will pack it: shape, publint (strict), are-the-types-wrong, and what it may depend on.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const bin = (name) => join("node_modules", ".bin", name);
const run = (command, args) => execFileSync(command, args, { stdio: ["ignore", "pipe", "pipe"], encoding: "utf8" });

const shapeProblems = (folder, manifest) => {
  const problems = [];
  for (const file of ["README.md", "LICENSE"]) if (!existsSync(join(folder, file))) problems.push(`${file} is missing`);
  if (manifest.type !== "module") problems.push("is not an ES module");
  if (!manifest.engines?.node) problems.push("declares no engines.node");
  for (const field of ["description", "license", "exports", "files"])
    if (!manifest[field]) problems.push(`has no ${field}`);
  const walls = {
    "@r1reward/core": [],
    "@r1reward/stablereinforce": ["core"],
    "@r1reward/adapters": ["core"],
    "@r1reward/cli": ["core", "stablereinforce", "adapters"],
  };
  for (const name of Object.keys(manifest.dependencies ?? {})) {
    if (name.startsWith("@r1reward/") && !walls[manifest.name].includes(name.slice(10)))
      problems.push(`may not depend on ${name}`);
  }
  return problems;
};

const hasLibrary = (manifest) => Object.keys(manifest.exports).some((path) => path !== "./package.json");

const check = (folder, manifest) => {
  const problems = shapeProblems(folder, manifest);
  const scratch = mkdtempSync(join(tmpdir(), "r1reward-pack-"));
  try {
    const [{ filename }] = JSON.parse(
      run("npm", ["pack", `./${folder}`, "--json", "--pack-destination", scratch, "--loglevel=error"]),
    );
    const tarball = join(scratch, filename);
    const gates = [[bin("publint"), [tarball, "--strict"]]];
    if (hasLibrary(manifest)) gates.push([bin("attw"), [tarball, "--profile", "esm-only", "--no-emoji"]]);
    for (const [command, args] of gates) {
      try {
        run(command, args);
      } catch (error) {
        problems.push(`${command.split("/").pop()}:\n${error.stdout}${error.stderr}`);
      }
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return problems;
};

let failed = 0;
for (const name of readdirSync("packages")) {
  const folder = join("packages", name);
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  if (manifest.private) continue;
  const problems = check(folder, manifest);
  console.log(`${problems.length === 0 ? "ok    " : "FAILED"} ${manifest.name}@${manifest.version}`);
  for (const problem of problems) console.log(`       ${problem}`);
  failed += problems.length === 0 ? 0 : 1;
}
process.exitCode = failed === 0 ? 0 : 1;
