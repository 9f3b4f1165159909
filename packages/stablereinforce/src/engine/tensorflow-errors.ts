/** What errors of TensorFlow.js look like. */

const UNKNOWN_KERNEL = /[Kk]ernel '([^']+)' not registered|registered kernel '([^']+)'|kernel function for '([^']+)'/;

/** The kernel that a backend does not have, if that is what the error says. */
export const unknownKernel = ({ message }: Error): string | undefined => {
  const found = UNKNOWN_KERNEL.exec(message);
  return found?.[1] ?? found?.[2] ?? found?.[3];
};

/**
 * The operations that were under way, the innermost first: TensorFlow.js calls them `matMul__op` and so on by a property that minifiers
 * leave alone.
 */
export const operationsOf = ({ stack = "" }: Error): readonly string[] =>
  [...stack.matchAll(/\bat (?:[\w$]+\.)*(\w+?)__op\b/g)].map(([, name]) => name as string);
