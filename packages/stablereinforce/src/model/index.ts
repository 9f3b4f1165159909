/** A small causal transformer in plain TensorFlow.js. */
export { fullConfig, type FullConfig, type TransformerConfig } from "./config.ts";
export {
  initParams,
  mapParams,
  namedParams,
  parameterShapes,
  type LayerParams,
  type TransformerParams,
} from "./params.ts";
export { transformer, type ForwardOptions, type ScoredTokens, type Transformer } from "./transformer.ts";
export { valueAndParamGrads, type ValueAndParamGrads } from "./grads.ts";
export { fromLlama, toLlama, type FromLlamaOptions, type ReadTensor } from "./llama.ts";
