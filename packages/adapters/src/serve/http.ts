/** Bodies, tokens and replies. */
import { isAscii } from "node:buffer";
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { decode, encode } from "@msgpack/msgpack";
import { checkShape, parseBody } from "./fields.ts";
import { badRequest, WireError } from "./wire-error.ts";

/** How many bytes may be on their way, and how many are. */
export interface BodyBudget {
  readonly maxBodyBytes: number;
  readonly maxBytesInFlight: number;
  inFlight: number;
}

const tooLarge = (most: number): WireError => new WireError(413, `body: expected at most ${most} bytes`);

/** The bytes of a body. @throws {WireError} 413 when it is too long, 503 when too much is on its way, 415 for encodings. */
export const readBody = async (request: IncomingMessage, budget: BodyBudget): Promise<Uint8Array> => {
  const { maxBodyBytes, maxBytesInFlight } = budget;
  const encoding = request.headers["content-encoding"] ?? "identity";
  if (encoding !== "identity") throw new WireError(415, "content-encoding: expected none");
  if (Number(request.headers["content-length"] ?? 0) > maxBodyBytes) throw tooLarge(maxBodyBytes);
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    await received(request, (bytes) => {
      size += bytes.length;
      budget.inFlight += bytes.length;
      if (size > maxBodyBytes) throw tooLarge(maxBodyBytes);
      if (budget.inFlight > maxBytesInFlight) throw new WireError(503, "too many bytes on their way", 1);
      chunks.push(bytes);
    });
  } finally {
    budget.inFlight -= size;
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size);
};

/** Hands every piece of a body to `take`, which may refuse it by throwing; by events, since iterating costs more. */
const received = (request: IncomingMessage, take: (bytes: Buffer) => void): Promise<void> =>
  new Promise((resolve, reject) => {
    const onData = (bytes: Buffer): void => {
      try {
        take(bytes);
      } catch (error) {
        end();
        request.pause();
        reject(error as Error);
      }
    };
    const onEnd = (): void => {
      end();
      resolve();
    };
    const onGone = (): void => {
      end();
      reject(badRequest("body: expected all of it, the connection ended before"));
    };
    const end = (): void => {
      request.off("data", onData).off("end", onEnd).off("close", onGone);
    };
    request.on("data", onData).once("end", onEnd).once("close", onGone).on("error", onGone);
  });

/** Is this a body of msgpack? By its type; a format may say what holds without one. */
export const isMsgpack = (request: IncomingMessage, usual: boolean): boolean => {
  const type = request.headers["content-type"] ?? "";
  if (type.includes("msgpack")) return true;
  return usual && !type.includes("json");
};

/** The value of a body; `undefined` without one. @throws {WireError} 400 */
export const decodeBody = (bytes: Uint8Array, msgpack: boolean): unknown => {
  if (bytes.length === 0) return undefined;
  if (!msgpack) return parseBody(textOf(bytes));
  let value: unknown;
  try {
    value = decode(bytes, { maxExtLength: 0 });
  } catch {
    throw badRequest("body: expected msgpack");
  }
  checkShape(value);
  return value;
};

const utf8 = new TextDecoder("utf-8", { fatal: true });

const textOf = (bytes: Uint8Array): string => {
  if (bytes instanceof Buffer && isAscii(bytes)) return bytes.toString("latin1");
  try {
    return utf8.decode(bytes);
  } catch {
    throw badRequest("body: expected UTF-8");
  }
};

/** Writes a reply whole. Numbers of a msgpack reply are floats, as typed readers expect. */
export const sendReply = (
  response: ServerResponse,
  reply: { readonly status: number; readonly body: unknown; readonly msgpack: boolean },
  headers: Readonly<Record<string, string>> = {},
): void => {
  // Text leaves together with its head; bytes would be a write of their own.
  const body = reply.msgpack ? encode(reply.body, { forceIntegerToFloat: true }) : JSON.stringify(reply.body);
  response.writeHead(reply.status, {
    ...headers,
    "content-type": reply.msgpack ? "application/msgpack" : "application/json",
    "content-length": String(typeof body === "string" ? Buffer.byteLength(body) : body.length),
  });
  response.end(body);
};

const hashed = (text: string): Buffer => createHash("sha256").update(text).digest();

const bearer = (header: string | string[] | undefined): string | undefined =>
  typeof header === "string" ? /^Bearer +(\S+)$/i.exec(header)?.[1] : undefined;

/** Checks tokens in constant time. Without tokens everyone may pass. */
export const createGuard = (
  tokens: readonly string[],
): ((request: IncomingMessage, query: URLSearchParams) => boolean) => {
  const known = tokens.map(hashed);
  return ({ headers }, query) => {
    if (known.length === 0) return true;
    // Several trainers can be given an address but no header: for them the token may stand in the address.
    const given = [
      bearer(headers["authorization"]),
      bearer(headers["xrl-authorization"]),
      headers["x-api-key"],
      query.get("token"),
    ].filter((token) => typeof token === "string");
    return given.map(hashed).some((token) => known.some((one) => timingSafeEqual(one, token)));
  };
};
