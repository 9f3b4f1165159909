/** Training: supervised, and with rewards. */
export { trainSft } from "./sft.ts";
export { trainStableReinforce } from "./train.ts";
export type * from "./types.ts";
