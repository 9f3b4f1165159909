/** `@r1reward/adapters/ai-sdk`: reranking and best of n for the AI SDK, `ai` 6 (V3) and `ai` 7 (V4). */
export { r1Reranker } from "./rerank.ts";
export type { RerankOptions } from "./rerank.ts";
export { bestOfN } from "./best-of-n.ts";
export type { BestOfNOptions } from "./best-of-n.ts";
export { questionOfPrompt } from "./question.ts";
export type {
  BestOfNMiddleware,
  Generated,
  GenerateParams,
  PromptPart,
  PromptTurn,
  RerankCall,
  Reranker,
  SpecificationVersion,
  TokenCounts,
  WrapGenerate,
} from "./shapes.ts";
