/** Which URLs may be asked for. */
import { ConfigError, MediaError } from "../errors.ts";

/** A list of `host` or `host:port`, in the spelling that URLs are reduced to. */
export type HostList = ReadonlySet<string>;

const DEFAULT_PORTS: Readonly<Record<string, string>> = { "http:": "80", "https:": "443" };

/** `host:port` of a URL, the port always spelled out. */
export const originOf = (url: URL): string =>
  `${url.hostname}:${url.port === "" ? DEFAULT_PORTS[url.protocol] : url.port}`;

const PLAIN_HOST = /^[^/\\?#@\s]+$/;

/**
 * The origins that a list of hosts allows: `images.example` allows its ports 80 and 443, `images.example:8443` that
 * port alone. International names are allowed in either spelling.
 *
 * @throws ConfigError for an entry that is more or less than a host
 */
export const hostList = (option: string, hosts: readonly string[] = []): HostList => {
  const origins = hosts.flatMap((host) => {
    const url = PLAIN_HOST.test(host) && URL.canParse(`http://${host}`) ? new URL(`http://${host}`) : undefined;
    if (url === undefined || url.hostname === "" || host.includes("*")) {
      throw new ConfigError(`${option}: expected host or host:port, got ${JSON.stringify(host)}`);
    }
    const port = /:(\d+)$/.exec(host.replace(/^\[.*\]/, ""))?.[1];
    return (port === undefined ? ["80", "443"] : [String(Number(port))]).map((each) => `${url.hostname}:${each}`);
  });
  return new Set(origins);
};

/** A URL without what may be secret in it, for errors. */
export const shown = (url: URL): string => `${url.protocol}//${url.host}${url.pathname}`;

/**
 * The URL, if it may be asked for: http or https, no credentials, an allowed host in exactly that spelling.
 *
 * @throws MediaError `bad-url` | `scheme-not-allowed` | `credentials-in-url` | `host-not-allowed` | `downgrade`
 */
export const allowedUrl = (text: string, hosts: HostList, from?: URL): URL => {
  if (!URL.canParse(text, from)) throw new MediaError("bad-url", "image: expected an absolute http(s) URL");
  const url = new URL(text, from);
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw new MediaError("scheme-not-allowed", `image: expected an http(s) URL, got ${url.protocol}`);
  }
  if (url.username !== "" || url.password !== "") {
    throw new MediaError("credentials-in-url", `image: expected no credentials in the URL of ${url.host}`);
  }
  if (!hosts.has(originOf(url))) {
    throw new MediaError("host-not-allowed", `image: ${originOf(url)} is not among the allowed hosts: add it to hosts`);
  }
  if (from?.protocol === "https:" && url.protocol === "http:") {
    throw new MediaError("downgrade", `image: ${shown(from)} redirects from https to http`);
  }
  return url;
};
