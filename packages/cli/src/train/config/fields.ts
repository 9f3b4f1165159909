/** What fields of a configuration are made of. */
import { z } from "zod";

/** A whole number from 1. */
export const count = z.int().min(1);
/** A whole number from 0. */
export const natural = z.int().min(0);
/** From 0 to 1. */
export const share = z.number().min(0).max(1);
/** Above 0. */
export const above0 = z.number().gt(0);
/** A field and what it is: help of the published schema. */
export const said = <T extends z.ZodType>(type: T, text: string): T => type.describe(text);

/** A server that is asked. */
export const server = z.strictObject({
  url: said(
    z.string().min(1),
    "OpenAI-compatible server, e.g. http://localhost:8000/v1; the key is read from R1REWARD_API_KEY",
  ),
  model: said(z.string().min(1), "model on that server"),
});
