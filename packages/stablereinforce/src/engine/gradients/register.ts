/**
 * Registers the gradients with TensorFlow.js, once. `@tensorflow/tfjs-core` alone brings none into Node: its bundle leaves
 * them out, and `dist/register_all_gradients.js` is ESM in a CommonJS package.
 */
import { registerGradient, stack, concat, unstack, type Tensor } from "@tensorflow/tfjs-core";
import { elementwiseGradients } from "./elementwise.ts";
import { shapeGradients } from "./shape.ts";
import type { Gradient } from "./words.ts";

const done = { value: false };

const add = (kernelName: string, gradient: Gradient): void =>
  registerGradient({
    kernelName,
    inputsToSave: gradient.savesAll === true ? [] : [...(gradient.saves ?? [])],
    saveAllInputs: gradient.savesAll === true,
    outputsToSave: gradient.savesOutput === true ? [true] : [],
    gradFunc: (dy, saved, attrs) => gradient.back({ dy: dy as Tensor, saved, attrs: attrs as never }),
  });

/** TensorFlow.js hands out the gradient of a list of one bare. */
const listOf = (dy: Tensor | Tensor[]): Tensor[] => (Array.isArray(dy) ? dy : [dy]);

// These three take or give lists, which the common form above does not.
const addLists = (): void => {
  registerGradient({
    kernelName: "SplitV",
    gradFunc: (dy, _saved, attrs) => ({ x: () => concat(listOf(dy), (attrs as unknown as { axis: number }).axis) }),
  });
  registerGradient({
    kernelName: "Unpack",
    gradFunc: (dy, _saved, attrs) => ({
      value: () => stack(listOf(dy), (attrs as unknown as { axis: number }).axis),
    }),
  });
  registerGradient({
    kernelName: "Pack",
    saveAllInputs: true,
    gradFunc: (dy, _saved, attrs) => {
      const parts = unstack(dy as Tensor, (attrs as unknown as { axis: number }).axis);
      return Object.fromEntries(parts.map((part, i) => [String(i), () => part]));
    },
  });
};

/** Makes `grad`, `grads`, `valueAndGrads` and `variableGrads` work, on every backend. */
export const registerGradients = (): void => {
  if (done.value) return;
  done.value = true;
  for (const [name, gradient] of Object.entries({ ...elementwiseGradients, ...shapeGradients })) add(name, gradient);
  addLists();
};
