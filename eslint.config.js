import { createTypeScriptImportResolver } from "eslint-import-resolver-typescript";
import importX from "eslint-plugin-import-x";
import jsdoc from "eslint-plugin-jsdoc";
import tseslint from "typescript-eslint";

/** The budgets of docs/architecture.md. A written reason may pass them: `// eslint-disable-next-line rule -- reason`. */
const budgets = {
  "max-lines": ["error", { max: 250, skipComments: false, skipBlankLines: false }],
  "max-lines-per-function": ["error", { max: 40, skipBlankLines: true, skipComments: true }],
  "max-params": ["error", 4],
  "max-depth": ["error", 3],
};

const noNode = { group: ["node:*"], message: "This entry also runs in browsers: Node parts live under src/node." };

export default tseslint.config(
  {
    ignores: [
      "**/dist/**",
      "**/.turbo/**",
      "docs/api/**",
      "**/fixtures/**",
      "**/.venv*/**",
      "**/.cache/**",
      "**/node_modules/**",
    ],
  },
  ...tseslint.configs.recommended,
  {
    files: ["packages/*/src/**/*.ts", "packages/*/test/**/*.ts"],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { "import-x": importX, jsdoc },
    settings: { "import-x/resolver-next": [createTypeScriptImportResolver({ project: "./tsconfig.json" })] },
    rules: {
      ...budgets,
      eqeqeq: "error",
      "no-console": "error",
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-misused-promises": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "import-x/no-cycle": "error",
      "import-x/no-restricted-paths": [
        "error",
        {
          zones: [
            {
              target: "./packages/core",
              from: ["./packages/stablereinforce", "./packages/adapters", "./packages/cli"],
            },
            { target: "./packages/stablereinforce", from: ["./packages/adapters", "./packages/cli"] },
            { target: "./packages/adapters", from: ["./packages/stablereinforce", "./packages/cli"] },
          ],
        },
      ],
      "jsdoc/require-jsdoc": [
        "error",
        {
          publicOnly: true,
          contexts: [
            "TSInterfaceDeclaration",
            "TSTypeAliasDeclaration",
            "ExportNamedDeclaration > VariableDeclaration",
          ],
          require: { ClassDeclaration: true, FunctionDeclaration: true },
        },
      ],
    },
  },
  {
    files: ["packages/core/src/**/*.ts"],
    ignores: [
      "packages/core/src/node/**",
      "packages/core/src/testing/**",
      "packages/core/src/**/*.test.ts",
      "packages/core/src/model/transport-undici.ts",
    ],
    rules: {
      "no-restricted-imports": [
        "error",
        { patterns: [noNode, { group: ["**/node/*", "undici", "sharp"], message: noNode.message }] },
      ],
    },
  },
  {
    files: ["**/*.test.ts", "packages/*/test/**/*.ts"],
    rules: {
      "max-lines": ["error", 400],
      "max-lines-per-function": "off",
      "jsdoc/require-jsdoc": "off",
      "max-depth": "off",
      "no-console": "off",
    },
  },
  { files: ["packages/cli/src/**/*.ts", "**/*.mjs"], rules: { "no-console": "off" } },
);
