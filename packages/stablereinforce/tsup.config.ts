import { defineConfig } from "tsup";

export default defineConfig({
  entry: {
    index: "src/index.ts",
    "node/index": "src/node/index.ts",
    "node/sample-worker": "src/node/sample-worker.ts",
    "node/judge-worker": "src/node/judge-worker.ts",
    "testing/index": "src/testing/index.ts",
  },
  format: "esm",
  target: "node20",
  dts: { compilerOptions: { ignoreDeprecations: "6.0" } },
  external: ["sharp"],
  clean: true,
});
