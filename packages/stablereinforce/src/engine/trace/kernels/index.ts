/** All lowerings: the list of kernels that the compiled engine covers. */
import type { Lowerings } from "../lower.ts";
import { elementwise } from "./elementwise.ts";
import { gathers } from "./gather.ts";
import { matmuls } from "./matmul.ts";
import { reductions } from "./reduce.ts";
import { shapes } from "./shape.ts";

/** TensorFlow.js kernel name → lowering. */
export const lowerings: Lowerings = { ...elementwise, ...shapes, ...reductions, ...gathers, ...matmuls };
