import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

// Unit tests read the sources, so that none of them waits for a build or tests yesterday's.
export default defineConfig({
  resolve: {
    alias: [
      { find: "#transport", replacement: at("packages/core/src/model/transport-undici.ts") },
      { find: /^@r1reward\/(core|stablereinforce)$/, replacement: at("packages/$1/src/index.ts") },
      {
        find: /^@r1reward\/(core|stablereinforce)\/(node|testing|shapes|prepare)$/,
        replacement: at("packages/$1/src/$2/index.ts"),
      },
      { find: /^@r1reward\/adapters\/([\w-]+)$/, replacement: at("packages/adapters/src/$1/index.ts") },
    ],
  },
  test: {
    include: ["packages/*/src/**/*.test.ts", "packages/*/test/**/*.test.ts"],
    testTimeout: 30_000,
    maxWorkers: 2,
  },
});
