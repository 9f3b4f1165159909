#!/usr/bin/env node
// What npm links as `r1reward`. It is committed, since npm links nothing for a file that is only there after a build.
import { existsSync } from "node:fs";

const main = new URL("../dist/main.js", import.meta.url);
if (existsSync(main)) await import(main.href);
else {
  process.stderr.write("error @r1reward/cli has no dist/main.js: run npm run build first\n");
  process.exitCode = 1;
}
