/** Finds out, once, which server it is: by its host, by who owns the model it lists, by routes only it has. */
import { messageOf } from "../errors.ts";
import type { Awaitable } from "../interfaces.ts";
import type { Clock } from "./clock.ts";
import type { Dialect } from "./dialect.ts";
import { dialects } from "./dialects.ts";
import type { Endpoint } from "./endpoint.ts";
import { excerpt, scrub } from "./failure.ts";
import type { Transport, TransportResponse } from "./transport.ts";

/** What is known of the server. */
export interface ProbeResult {
  readonly dialect: Dialect;
  /** Version of the server; empty when it does not say. */
  readonly version: string;
  /** How the dialect was found: given by the caller, by the host name, by asking, or not at all. */
  readonly source: "given" | "host" | "asked" | "fallback";
  /** Models the server lists; empty when it does not. */
  readonly models: readonly string[];
  /** Is the wanted model among them? `null` when the server lists none. */
  readonly hasModel: boolean | null;
  /** Why nothing could be found out. */
  readonly problem?: string | undefined;
  /** Did any server answer? An unreachable one is asked again later. */
  readonly reachable: boolean;
}

/** What probing needs. */
export interface ProbeContext {
  readonly transport: Transport;
  readonly endpoints: readonly Endpoint[];
  readonly headers: () => Awaitable<Readonly<Record<string, string>>>;
  readonly secrets: () => readonly string[];
  readonly clock: Clock;
  readonly model: string;
  /** The caller's choice; `undefined` to find out. */
  readonly given: Dialect | undefined;
  readonly timeoutMs: number;
}

const KNOWN: readonly Dialect[] = Object.values(dialects);

const json = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
};

const get = async (context: ProbeContext, endpoint: Endpoint, path: string): Promise<TransportResponse> => {
  const { "content-type": _, ...headers } = await context.headers();
  const exchange = context.transport.send({ method: "GET", origin: endpoint.origin, path, headers });
  const callOff = context.clock.after(context.timeoutMs, () => {
    exchange.cancel(new Error(`no answer to GET ${path} within ${context.timeoutMs} ms`));
  });
  return exchange.response.finally(callOff);
};

interface Listed {
  readonly models: readonly string[];
  readonly owners: readonly string[];
}

const readModels = (body: unknown): Listed => {
  const data = (body as { data?: unknown } | null | undefined)?.data;
  const entries = (Array.isArray(data) ? data : []) as readonly ({ id?: unknown; owned_by?: unknown } | null)[];
  const strings = (values: readonly unknown[]): string[] => values.filter((value) => typeof value === "string");
  return {
    models: strings(entries.map((entry) => entry?.id)),
    owners: strings(entries.map((entry) => entry?.owned_by)),
  };
};

interface Found {
  readonly dialect: Dialect;
  readonly version: string;
}

const ask = async (context: ProbeContext, endpoint: Endpoint, dialect: Dialect): Promise<Found | undefined> => {
  const { detect } = dialect;
  if (detect === undefined) return undefined;
  const response = await get(context, endpoint, `${endpoint.root}${detect.path}`);
  const version = response.status === 200 ? detect.version(json(response.text)) : undefined;
  return version === undefined ? undefined : { dialect, version };
};

const quietly = async <T>(work: Promise<T>): Promise<T | undefined> => {
  try {
    return await work;
  } catch {
    return undefined;
  }
};

const identify = async (context: ProbeContext, endpoint: Endpoint, owners: readonly string[]): Promise<Found> => {
  const owned = KNOWN.find(({ owner }) => owner !== undefined && owners.includes(owner));
  const wanted = context.given ?? owned;
  if (wanted !== undefined) {
    const found = await quietly(ask(context, endpoint, wanted));
    return found ?? { dialect: wanted, version: "" };
  }
  const answers = await Promise.all(KNOWN.map((dialect) => quietly(ask(context, endpoint, dialect))));
  return answers.find((answer) => answer !== undefined) ?? { dialect: dialects.generic, version: "" };
};

const look = async (context: ProbeContext, endpoint: Endpoint): Promise<ProbeResult> => {
  const byHost = KNOWN.find(({ hosts }) => hosts?.includes(endpoint.host));
  const listing = await get(context, endpoint, `${endpoint.path}/models`);
  const { models, owners } = readModels(json(listing.text));
  const hasModel = models.length === 0 ? null : models.includes(context.model);
  const found =
    byHost !== undefined && context.given === undefined
      ? { dialect: byHost, version: "" }
      : await identify(context, endpoint, owners);
  const source = context.given !== undefined ? "given" : byHost !== undefined ? "host" : "asked";
  const known = source !== "asked" || found.dialect !== dialects.generic;
  // While a server loads, it answers 503 to everything: that tells nothing about what it is.
  const reachable = known || listing.status < 500;
  const status = `GET ${endpoint.path}/models answered HTTP ${listing.status}`;
  return {
    ...found,
    source: known ? source : "fallback",
    models,
    hasModel,
    reachable,
    problem: known ? undefined : `${status}, and no known server was recognised`,
  };
};

/** Asks the replicas one after the other until one answers. Never throws, and takes at most twice the time limit each. */
export const probeServer = async (context: ProbeContext): Promise<ProbeResult> => {
  let problem = "";
  for (const endpoint of context.endpoints) {
    try {
      return await look(context, endpoint);
    } catch (error) {
      problem = `${endpoint.url}: ${scrub(excerpt(messageOf(error)), context.secrets())}`;
    }
  }
  const host = context.endpoints.map(({ host }) => KNOWN.find(({ hosts }) => hosts?.includes(host)));
  return {
    dialect: context.given ?? host[0] ?? dialects.generic,
    version: "",
    source: context.given !== undefined ? "given" : host[0] !== undefined ? "host" : "fallback",
    models: [],
    hasModel: null,
    reachable: false,
    problem,
  };
};
