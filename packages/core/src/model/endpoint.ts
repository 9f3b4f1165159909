/** Base URLs of OpenAI-compatible servers, checked before anything is sent. */
import { ConfigError } from "../errors.ts";
import { redact } from "../redact.ts";

/** One server. */
export interface Endpoint {
  /** Scheme, host and port. */
  readonly origin: string;
  /** Lower-case host without its port. */
  readonly host: string;
  /** Path of the API, without a slash at the end, e.g. `/v1`. */
  readonly path: string;
  /** Path under which servers keep their own routes (`/version`, `/props`): the API's path without `/v1`. */
  readonly root: string;
  /** For reports. */
  readonly url: string;
}

const bad = (value: unknown, problem: string): ConfigError =>
  new ConfigError(`baseURL: expected a URL like http://127.0.0.1:8000/v1, got ${redact(String(value))}: ${problem}`);

/**
 * Reads one base URL. Without a path it means `/v1`; any other path is kept as it stands.
 *
 * @throws ConfigError when it is no http(s) URL, carries a password, a query or a fragment, or names a route.
 */
export const parseEndpoint = (baseURL: string): Endpoint => {
  if (typeof baseURL !== "string" || !URL.canParse(baseURL)) throw bad(baseURL, "not a URL");
  const url = new URL(baseURL);
  if (url.protocol !== "http:" && url.protocol !== "https:") throw bad(baseURL, "only http and https are spoken");
  if (url.username !== "" || url.password !== "") throw bad(baseURL, "credentials go into apiKey or headers");
  if (url.search !== "" || url.hash !== "") throw bad(baseURL, "a query or fragment cannot be part of it");
  const path = url.pathname.replace(/\/+$/, "") || "/v1";
  const route = /\/(chat\/completions|completions|models|responses)$/.exec(path);
  if (route !== null) throw bad(baseURL, `leave ${route[0]} away: the client adds its routes itself`);
  const root = path.replace(/\/v1$/, "");
  return { origin: url.origin, host: url.hostname.toLowerCase(), path, root, url: `${url.origin}${path}` };
};

/**
 * Reads one base URL or several replicas of one server.
 *
 * @throws ConfigError for an empty list, a repeated replica, or what `parseEndpoint` refuses.
 */
export const parseEndpoints = (baseURL: string | readonly string[]): readonly Endpoint[] => {
  const endpoints = (typeof baseURL === "string" ? [baseURL] : baseURL).map(parseEndpoint);
  if (endpoints.length === 0) throw new ConfigError("baseURL: expected at least one replica, got an empty list");
  const urls = endpoints.map(({ url }) => url);
  const repeated = urls.find((url, index) => urls.indexOf(url) !== index);
  if (repeated !== undefined) throw new ConfigError(`baseURL: expected different replicas, got ${repeated} twice`);
  return endpoints;
};
