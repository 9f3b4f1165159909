/** Recipes by name. */
import { reference } from "./reference.ts";
import { paper, script } from "./stable-reinforce.ts";

/** The paper's run, the released script's, and the released code's numerics for comparisons with it. */
export const presets = { paper, script, reference } as const;
