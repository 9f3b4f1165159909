/** Downloading an image from an allowed host, without ever reaching where the caller did not mean to. */
import { lookup as systemLookup } from "node:dns/promises";
import { isIP, type LookupFunction } from "node:net";
import { Agent, buildConnector, request, type Dispatcher } from "undici";
import { AbortError, isR1Error, MediaError, messageOf, throwIfAborted } from "../errors.ts";
import { isPublicAddress } from "./media-address.ts";
import { allowedUrl, hostList, originOf, shown, type HostList } from "./media-url.ts";

/** One answer of a name server. */
export interface ResolvedAddress {
  readonly address: string;
  readonly family: number;
}

/** Options of `remoteImages`. */
export interface RemoteOptions {
  /** Hosts (`host` or `host:port`) that may be asked. None unless given. */
  readonly hosts?: readonly string[] | undefined;
  /** Those among them that may have private addresses: a server in your own network. */
  readonly allowPrivateHosts?: readonly string[] | undefined;
  /** Largest body in bytes. */
  readonly maxBytes: number;
  /** Milliseconds to connect. Default 5,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** Milliseconds for everything, redirects included. Default 10,000. */
  readonly timeoutMs?: number | undefined;
  /** Resolves a name. The system's resolver unless given. */
  readonly resolve?: ((hostname: string) => Promise<readonly ResolvedAddress[]>) | undefined;
}

/** Downloads images; closing it closes its connections. */
export interface RemoteImages extends AsyncDisposable {
  /** The bytes at an address. Throws `MediaError`, or `AbortError` when the signal fires. */
  fetch(url: string, signal?: AbortSignal): Promise<Uint8Array>;
}

const MAX_REDIRECTS = 3;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

const privateAddress = (host: string): MediaError =>
  new MediaError(
    "private-address",
    `image: ${host} has a private address; list it in allowPrivateHosts if you mean it`,
  );

/** Resolves once, checks every answer, and hands exactly those answers to the socket: nothing can flip in between. */
const checkedLookup =
  (resolve: NonNullable<RemoteOptions["resolve"]>): LookupFunction =>
  (hostname, options, callback) => {
    resolve(hostname)
      .then((found) => {
        const first = found[0];
        if (first === undefined) throw new MediaError("no-address", `image: ${hostname} has no address`);
        if (!found.every(({ address }) => isPublicAddress(address))) throw privateAddress(hostname);
        if (options.all) callback(null, [...found]);
        else callback(null, first.address, first.family);
      })
      .catch((error: unknown) => callback(error as NodeJS.ErrnoException, "", 0));
  };

const plainLookup =
  (resolve: NonNullable<RemoteOptions["resolve"]>): LookupFunction =>
  (hostname, options, callback) => {
    resolve(hostname)
      .then((found) => (options.all ? callback(null, [...found]) : callback(null, found[0]!.address, found[0]!.family)))
      .catch((error: unknown) => callback(error as NodeJS.ErrnoException, "", 0));
  };

/** Lets a connection through only when its other end is public, whatever was resolved or written in the URL. */
export const publicOnly = (connect: buildConnector.connector): buildConnector.connector => {
  return (options, callback) => {
    const literal = options.hostname.replace(/^\[|\]$/g, "");
    if (isIP(literal) !== 0 && !isPublicAddress(literal)) return callback(privateAddress(literal), null);
    return connect(options, (...[error, socket]: buildConnector.CallbackArgs) => {
      // On failure the transport leaves the socket out altogether, whatever its types say.
      if (error || !socket) return callback(error ?? new Error("no connection"), null);
      if (isPublicAddress(socket.remoteAddress ?? "")) return callback(null, socket);
      socket.destroy();
      return callback(privateAddress(options.hostname), null);
    });
  };
};

const readBody = async (response: Dispatcher.ResponseData, url: URL, maxBytes: number): Promise<Uint8Array> => {
  const tooLong = new MediaError("too-many-bytes", `image: ${shown(url)}: expected at most ${maxBytes} bytes`);
  const encoding = response.headers["content-encoding"];
  if (encoding !== undefined && encoding !== "identity") {
    throw new MediaError(
      "content-encoding",
      `image: ${shown(url)}: expected no content encoding, got ${String(encoding)}`,
    );
  }
  if (Number(response.headers["content-length"] ?? 0) > maxBytes) throw tooLong;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > maxBytes) throw tooLong;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};

const agents = (options: RemoteOptions) => {
  const resolve = options.resolve ?? ((hostname: string) => systemLookup(hostname, { all: true }));
  const timeout = options.connectTimeoutMs ?? 5000;
  const limits = { connections: 8, pipelining: 1 } as const;
  return {
    strict: new Agent({ ...limits, connect: publicOnly(buildConnector({ timeout, lookup: checkedLookup(resolve) })) }),
    // For the hosts that the caller trusts to be private.
    trusting: new Agent({ ...limits, connect: buildConnector({ timeout, lookup: plainLookup(resolve) }) }),
  };
};

interface Hop {
  readonly agents: ReturnType<typeof agents>;
  readonly hosts: HostList;
  readonly privateHosts: HostList;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

/** The body behind `url`, through at most three redirects, each checked like the first address. */
const follow = async (start: URL, hop: Hop): Promise<Uint8Array> => {
  let url = start;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const dispatcher = hop.privateHosts.has(originOf(url)) ? hop.agents.trusting : hop.agents.strict;
    const headers = { accept: "image/png, image/jpeg, image/webp, image/gif", "accept-encoding": "identity" };
    const response = await request(url, { dispatcher, signal: hop.signal, headers });
    try {
      if (response.statusCode === 200) return await readBody(response, url, hop.maxBytes);
      const location = response.headers.location;
      if (!REDIRECTS.has(response.statusCode) || typeof location !== "string") {
        throw new MediaError("http-status", `image: ${shown(url)}: expected status 200, got ${response.statusCode}`);
      }
      url = allowedUrl(location, hop.hosts, url);
    } finally {
      // What was not read is dropped with its connection; the stream reports that as an error, which is none here.
      response.body.on("error", () => undefined).destroy();
    }
  }
  throw new MediaError("too-many-redirects", `image: ${shown(start)}: expected at most ${MAX_REDIRECTS} redirects`);
};

/** The error of ours inside an error of the transport, if there is one. */
const ownCause = (error: unknown): unknown => {
  for (let at = error, depth = 0; depth < 5 && at instanceof Error; at = at.cause, depth++)
    if (isR1Error(at)) return at;
  return undefined;
};

/**
 * Downloads from allowed hosts only: http(s), no credentials, every address public (checked where the connection is
 * made, so that no second answer of a name server counts), at most three redirects, each checked anew.
 *
 * @throws ConfigError for a host list that cannot be read
 */
export const remoteImages = (options: RemoteOptions): RemoteImages => {
  const hosts = hostList("hosts", options.hosts);
  const privateHosts = hostList("allowPrivateHosts", options.allowPrivateHosts);
  const timeoutMs = options.timeoutMs ?? 10_000;
  const both = agents(options);
  return {
    fetch: async (text, signal) => {
      throwIfAborted(signal);
      const url = allowedUrl(text, hosts);
      const timeout = AbortSignal.timeout(timeoutMs);
      const either = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
      try {
        return await follow(url, { agents: both, hosts, privateHosts, maxBytes: options.maxBytes, signal: either });
      } catch (error) {
        const own = ownCause(error);
        if (own !== undefined) throw own;
        if (signal?.aborted)
          throw new AbortError(`image: ${shown(url)}: aborted by the caller`, { cause: signal.reason });
        if (timeout.aborted) {
          throw new MediaError("timeout", `image: ${shown(url)}: no answer in ${timeoutMs} ms`, { cause: error });
        }
        throw new MediaError("unreachable", `image: ${shown(url)}: ${messageOf(error)}`, { cause: error });
      }
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all([both.strict.destroy(), both.trusting.destroy()]);
    },
  };
};
