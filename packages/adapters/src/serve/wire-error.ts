/** Errors that become HTTP replies. */
import { R1Error } from "@r1reward/core";

/** A request that cannot be served. The message names the field and what was expected; it never quotes a payload. */
export class WireError extends R1Error {
  override readonly code = "R1_WIRE";
  readonly status: number;
  /** Seconds after which the client may come back. */
  readonly retryAfter: number | undefined;

  constructor(status: number, message: string, retryAfter?: number) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** 400: the body cannot be read. */
export const badRequest = (message: string): WireError => new WireError(400, message);

/** 503: come back later. */
export const comeBack = (message: string, seconds = 1): WireError => new WireError(503, message, seconds);

/** Is it one of these? */
export const isWireError = (error: unknown): error is WireError => error instanceof WireError;
