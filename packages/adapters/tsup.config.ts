import { existsSync, readdirSync } from "node:fs";
import { defineConfig } from "tsup";

// One sub-path per folder with an index.ts; package.json lists them under "exports".
const rooms = readdirSync("src").filter((name) => existsSync(`src/${name}/index.ts`));

export default defineConfig({
  entry: Object.fromEntries(rooms.map((name) => [`${name}/index`, `src/${name}/index.ts`])),
  format: "esm",
  target: "node20",
  // The published types of core are those of its build, not of its sources.
  dts: { compilerOptions: { ignoreDeprecations: "6.0", paths: {} } },
  clean: true,
});
