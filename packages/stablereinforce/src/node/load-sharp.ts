/** The optional package sharp, where it is installed. */
import type { Sharp, SharpOptions } from "sharp";
import { ConfigError, messageOf } from "@r1reward/core";

/** The part of sharp that is used. */
export type MakeSharp = (input: Uint8Array, options: SharpOptions) => Sharp;

/** Is sharp not installed, or not for this machine? Anything else that goes wrong is not an absence. */
export const isSharpAbsent = (error: unknown): boolean =>
  (typeof error === "object" && error !== null && "code" in error && error.code === "ERR_MODULE_NOT_FOUND") ||
  /^Could not load the "sharp" module/.test(messageOf(error));

/**
 * Loads sharp; `undefined` where it is absent.
 *
 * @throws ConfigError when it is there and fails
 */
export const loadSharp = async (): Promise<MakeSharp | undefined> => {
  try {
    return (await import("sharp")).default;
  } catch (cause) {
    if (isSharpAbsent(cause)) return undefined;
    throw new ConfigError(`sharp is installed and cannot be loaded: ${messageOf(cause)}`, { cause });
  }
};
