/** What a traced function must not do, because a graph would do it once, or never, where the function does it on every call. */
import { engine, Variable } from "@tensorflow/tfjs-core";
import { EngineError } from "../errors.ts";

const refuseRandom = (): never => {
  throw new EngineError(
    "random numbers were drawn while tracing and would be the same on every call: pass them in as an argument",
    { reason: "random" },
  );
};

const HINT =
  "take the weights as arguments, return the new ones, and assign them outside (optimizers that do so: adamw)";

function refuseAssign(this: Variable): never {
  const problem = `the variable ${this.name} cannot be assigned to in a compiled function, a graph has no state: ${HINT}`;
  throw new EngineError(problem, { reason: "no-kernel", op: "Variable.assign" });
}

const refuseVariable = (): never => {
  const problem = `a variable cannot be made in a compiled function, a graph has no state: ${HINT}`;
  throw new EngineError(problem, { reason: "no-kernel", op: "variable" });
};

/** Fails when a variable's value would become a constant of the graph. Plain tensors may: nothing can change them. */
export const refuseCaptured = (tensor: unknown): void => {
  if (!(tensor instanceof Variable)) return;
  throw new EngineError(
    `the variable ${tensor.name} is read in a compiled function, which would keep the value of the first call for ever: ` +
      "pass it as an argument",
    { reason: "value-read" },
  );
};

/** Runs `work` where random numbers and changes of variables are errors. Both are as before afterwards. */
export const withoutState = <T>(work: () => T): T => {
  const books = engine();
  const { assign } = Variable.prototype;
  const make = Object.getOwnPropertyDescriptor(books, "makeVariable"); // none, but inside of another trace
  const random = Math.random;
  try {
    Math.random = refuseRandom;
    Variable.prototype.assign = refuseAssign;
    Object.defineProperty(books, "makeVariable", { value: refuseVariable, configurable: true });
    return work();
  } finally {
    Math.random = random;
    Variable.prototype.assign = assign;
    if (make === undefined)
      Reflect.deleteProperty(books, "makeVariable"); // the one of its class is back
    else Object.defineProperty(books, "makeVariable", make);
  }
};
