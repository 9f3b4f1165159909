#!/usr/bin/env node
// Kills training 200 times at random moments: npm run soak:kill [-- kills [seed]]
import { spawnSync } from "node:child_process";

const [kills = "200", seed] = process.argv.slice(2);
const env = { ...process.env, R1_KILLS: kills, ...(seed === undefined ? {} : { R1_KILL_SEED: seed }) };
const { status } = spawnSync("npx", ["vitest", "run", "packages/stablereinforce/test/kill.test.ts"], {
  env,
  stdio: "inherit",
});
process.exitCode = status ?? 1;
