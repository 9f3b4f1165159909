/** Strict safetensors: reading, writing, and conversions of element types. Runs in browsers and in Node. */
export * from "./types.ts";
export { SAFETENSORS_DTYPES, bytesOf, bytesPerElement, elementsOf, isSafetensorsDtype } from "./dtype.ts";
export { bf16ToFloat32, f16ToFloat32, float32ToBf16, float32ToF16 } from "./half.ts";
export { looksLikePickle } from "./header.ts";
export { assertShapes, decodeSafetensors, type ExpectedTensors, type Safetensors } from "./format.ts";
export { encodeSafetensors, type SafetensorsSpec } from "./write.ts";
export { assertFinite, firstNonFinite, fromFloat32, toFloat32, type FloatDtype } from "./values.ts";
