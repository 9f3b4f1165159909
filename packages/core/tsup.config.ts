import { defineConfig } from "tsup";

export default defineConfig({
  entry: {
    index: "src/index.ts",
    "node/index": "src/node/index.ts",
    "prepare/index": "src/prepare/index.ts",
    "shapes/index": "src/shapes/index.ts",
    "testing/index": "src/testing/index.ts",
    "model/transport-undici": "src/model/transport-undici.ts",
    "model/transport-fetch": "src/model/transport-fetch.ts",
  },
  format: "esm",
  target: "node20",
  dts: { compilerOptions: { ignoreDeprecations: "6.0", paths: { "#transport": ["./src/model/transport-undici.ts"] } } },
  external: ["#transport", "sharp"],
  clean: true,
});
