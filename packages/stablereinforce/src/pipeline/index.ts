/** The paper's pipeline: its stages as functions. */
export { adviseOnMemory, isOutOfMemory } from "./advice.ts";
export { clearAfter } from "./clear.ts";
export { evaluatePolicy } from "./evaluate-policy.ts";
export { freshQwenConfig, type FreshQwenSize } from "./fresh-qwen.ts";
export { examplesOf, holdOut, isLabelled, promptsOf, type ShowOptions } from "./prompts.ts";
export { algorithms, recipeOf, type AlgorithmName, type RecipeSettings } from "./recipe.ts";
export { diskNeeds, memoryNeeds, stepFlops, totalBytes, type ModelFacts, type Need, type StageFacts } from "./needs.ts";
export * from "./report/index.ts";
export { screenPairs, type ScreenOptions } from "./screen.ts";
export { productSpeed } from "./speed.ts";
export { loadBest } from "./stage.ts";
export { rlSteps, runRl, runSft, sftSteps } from "./stages.ts";
export { textModel, type TextModelOptions } from "./text-model.ts";
export type * from "./types.ts";
