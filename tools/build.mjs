#!/usr/bin/env node
// Builds all packages through turbo (cached), and says something only when it takes a while or fails.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const turbo = fileURLToPath(new URL("../node_modules/turbo/bin/turbo", import.meta.url));
const args = ["run", "build", "--output-logs=errors-only", "--log-prefix=none", ...process.argv.slice(2)];
const child = spawn(process.execPath, [turbo, ...args], {
  cwd: fileURLToPath(new URL("..", import.meta.url)),
  env: { ...process.env, TURBO_TELEMETRY_DISABLED: "1" },
});
let output = "";
for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
const patience = setTimeout(
  () => process.stderr.write("building the packages (the first time takes about 20 s)…\n"),
  1_500,
);
child.on("close", (code) => {
  clearTimeout(patience);
  if (code !== 0) process.stderr.write(output);
  process.exitCode = code ?? 1;
});
