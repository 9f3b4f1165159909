import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Socket, type AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { png } from "../../test/images.ts";
import { isPublicAddress } from "./media-address.ts";
import { allowedUrl, hostList } from "./media-url.ts";
import { publicOnly, remoteImages, type RemoteImages, type RemoteOptions, type ResolvedAddress } from "./remote.ts";

const picture = png(28, 28);
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A real server on the loopback address; `asked` counts its requests. */
const serve = async (handler: Handler): Promise<{ port: number; asked: string[] }> => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? "");
    handler(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return { port: (server.address() as AddressInfo).port, asked };
};

const remote = (options: Partial<RemoteOptions>): RemoteImages => {
  const images = remoteImages({ maxBytes: 1_000_000, ...options });
  closing.push(() => Promise.resolve(images[Symbol.asyncDispose]()));
  return images;
};

const answers = (...addresses: string[]): ResolvedAddress[] =>
  addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));

/** A client for `images.test`, which the test trusts to be private and which resolves to the loopback address. */
const trusted = (port: number, options: Partial<RemoteOptions> = {}): RemoteImages => {
  const hosts = [`images.test:${port}`];
  return remote({ hosts, allowPrivateHosts: hosts, resolve: async () => answers("127.0.0.1"), ...options });
};

const sendPicture: Handler = (_request, response) => void response.end(picture);

describe("isPublicAddress", () => {
  it.each([
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.9",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:8.8.8.8",
    "::ffff:169.254.169.254",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "fc00::1",
    "fd12::1",
    "fe80::1",
    "fe80::1%eth0",
    "ff02::1",
    "localhost",
    "127.1",
    "",
  ])("%s is not public", (address) => expect(isPublicAddress(address)).toBe(false));

  it.each(["8.8.8.8", "1.1.1.1", "100.128.0.1", "172.32.0.1", "198.20.0.1", "2606:4700::1111", "2a00:1450::1"])(
    "%s is public",
    (address) => expect(isPublicAddress(address)).toBe(true),
  );
});

describe("allowedUrl", () => {
  const hosts = hostList("hosts", ["images.example", "bücher.example", "cdn.example:8443", "[2606:4700::1]:8080"]);

  it.each([
    "https://images.example/a.png?x=1",
    "http://IMAGES.example/a.png",
    "https://xn--bcher-kva.example/a.png",
    "https://BÜCHER.example/a.png",
    "https://cdn.example:8443/a.png",
    "http://[2606:4700:0::1]:8080/a",
  ])("allows %s", (url) => expect(allowedUrl(url, hosts).href).toBe(new URL(url).href));

  it.each([
    ["host-not-allowed", "https://images.example.evil.test/"],
    ["host-not-allowed", "https://evil.test/images.example"],
    ["host-not-allowed", "https://sub.images.example/"],
    ["host-not-allowed", "https://images.example./"],
    ["host-not-allowed", "https://images.example:8443/"],
    ["host-not-allowed", "https://cdn.example/"],
    ["host-not-allowed", "http://127.1/"],
    ["host-not-allowed", "http://0x7f000001/"],
    ["host-not-allowed", "http://2130706433/"],
    ["host-not-allowed", "http://[::1]/"],
    ["host-not-allowed", "http://[::ffff:169.254.169.254]/"],
    ["host-not-allowed", "https://imaɡes.example/"], // a look-alike letter
    ["credentials-in-url", "http://images.example@127.0.0.1/"],
    ["credentials-in-url", "http://a@127.0.0.1/"],
    ["credentials-in-url", "https://user:secret@images.example/"],
    ["scheme-not-allowed", "file:///etc/passwd"],
    ["scheme-not-allowed", "ftp://images.example/a.png"],
    ["scheme-not-allowed", "data:image/png;base64,AAAA"],
    ["bad-url", "//images.example/a.png"],
    ["bad-url", "http://"],
  ])("refuses with %s: %s", (reason, url) => {
    expect(() => allowedUrl(url, hosts)).toThrow(expect.objectContaining({ reason }) as Error);
  });

  it.each(["https://a.example", "a.example/path", "*.example", "user@a.example", "a b", "", "a.example?x"])(
    "refuses the host entry %j",
    (entry) => expect(() => hostList("hosts", [entry])).toThrow(/hosts: expected host or host:port/),
  );
});

describe("publicOnly", () => {
  const connected = (remoteAddress: string | undefined) => {
    const socket = new Socket();
    Object.defineProperty(socket, "remoteAddress", { value: remoteAddress });
    return { socket, connect: publicOnly((_options, callback) => callback(null, socket)) };
  };
  const ask = (connect: ReturnType<typeof publicOnly>): Promise<unknown> =>
    new Promise((resolve) =>
      connect({ hostname: "images.test", protocol: "http:", port: "80" }, (...[error, socket]) =>
        resolve(socket ?? error),
      ),
    );

  it("hands over a socket that ends at a public address", async () => {
    const { socket, connect } = connected("93.184.215.14");
    expect(await ask(connect)).toBe(socket);
    expect(socket.destroyed).toBe(false);
  });

  it.each(["127.0.0.1", "::ffff:10.0.0.1", undefined])("destroys a socket that ends at %s", async (address) => {
    const { socket, connect } = connected(address);
    expect(await ask(connect)).toMatchObject({ reason: "private-address" });
    expect(socket.destroyed).toBe(true);
  });
});

describe("remoteImages", () => {
  it("downloads from an allowed host", async () => {
    const { port, asked } = await serve(sendPicture);
    expect(Buffer.from(await trusted(port).fetch(`http://images.test:${port}/a.png?q=1`))).toEqual(picture);
    expect(asked).toEqual(["/a.png?q=1"]);
  });

  it("asks nobody unless hosts are given", async () => {
    await expect(remote({}).fetch("https://images.example/a.png")).rejects.toMatchObject({
      reason: "host-not-allowed",
    });
  });

  it.each(["127.0.0.1", "127.1", "0x7f000001", "2130706433", "0177.0.0.1"])(
    "refuses the private address %s although its host is allowed",
    async (host) => {
      const { port, asked } = await serve(sendPicture);
      const images = remote({ hosts: [`127.0.0.1:${port}`] });
      await expect(images.fetch(`http://${host}:${port}/`)).rejects.toMatchObject({ reason: "private-address" });
      expect(asked).toEqual([]);
    },
  );

  it.each(["[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"])(
    "refuses %s although its host is allowed",
    async (host) => {
      const { port, asked } = await serve(sendPicture);
      const images = remote({ hosts: [`${host}:${port}`] });
      await expect(images.fetch(`http://${host}:${port}/`)).rejects.toMatchObject({ reason: "private-address" });
      expect(asked).toEqual([]);
    },
  );

  it.each([
    ["a private answer", ["127.0.0.1"]],
    ["a private answer among public ones", ["93.184.215.14", "127.0.0.1"]],
    ["a mapped answer", ["::ffff:127.0.0.1"]],
  ])("refuses a name with %s", async (_name, addresses) => {
    const { port, asked } = await serve(sendPicture);
    const images = remote({ hosts: [`rebind.test:${port}`], resolve: async () => answers(...addresses) });
    await expect(images.fetch(`http://rebind.test:${port}/`)).rejects.toMatchObject({ reason: "private-address" });
    expect(asked).toEqual([]);
  });

  it("resolves once per connection, so an answer that flips afterwards is never used", async () => {
    const { port, asked } = await serve(sendPicture);
    let resolved = 0;
    // The first answer is the one that is checked, and nobody answers there; the server that listens is in the second.
    const resolve = async () => answers(++resolved === 1 ? "192.0.2.1" : "127.0.0.1");
    const strict = remote({ hosts: [`flip.test:${port}`], resolve });
    await expect(strict.fetch(`http://flip.test:${port}/`)).rejects.toMatchObject({ reason: "private-address" });
    expect(resolved).toBe(1);
    resolved = 0;
    const hosts = [`flip.test:${port}`];
    const flipping = async () => answers(++resolved === 1 ? "127.0.0.1" : "192.0.2.1");
    const images = remote({ hosts, allowPrivateHosts: hosts, resolve: flipping });
    await images.fetch(`http://flip.test:${port}/`);
    expect([resolved, asked.length]).toEqual([1, 1]);
  });

  it("follows redirects to allowed hosts, and checks each of them", async () => {
    const { port, asked } = await serve((request, response) => {
      const to: Record<string, string> = {
        "/1": "/2",
        "/2": `http://images.test:${port}/3`,
        "/3": "/picture",
        "/loop": "/loop",
        "/metadata": "http://169.254.169.254/latest/meta-data/",
        "/decimal": `http://2130706433:${port}/picture`,
        "/file": "file:///etc/passwd",
        "/user": `http://a@images.test:${port}/picture`,
      };
      const location = to[request.url ?? ""];
      if (location === undefined) return sendPicture(request, response);
      response.writeHead(302, { location }).end("x".repeat(1000));
    });
    const images = trusted(port);
    const reasonAt = (path: string) =>
      images.fetch(`http://images.test:${port}${path}`).then(
        () => "fine",
        (error: { reason?: string }) => error.reason,
      );
    expect(await reasonAt("/1")).toBe("fine");
    expect(await reasonAt("/loop")).toBe("too-many-redirects");
    expect(asked.filter((path) => path === "/loop")).toHaveLength(4);
    expect(await reasonAt("/metadata")).toBe("host-not-allowed");
    expect(await reasonAt("/decimal")).toBe("host-not-allowed");
    expect(await reasonAt("/file")).toBe("scheme-not-allowed");
    expect(await reasonAt("/user")).toBe("credentials-in-url");
  });

  it("does not let a redirect inherit trust: an allowed host that is not trusted must be public", async () => {
    const inner = await serve(sendPicture);
    const outer = await serve((_request, response) => {
      response.writeHead(307, { location: `http://inner.test:${inner.port}/` }).end();
    });
    const images = remote({
      hosts: [`images.test:${outer.port}`, `inner.test:${inner.port}`],
      allowPrivateHosts: [`images.test:${outer.port}`],
      resolve: async () => answers("127.0.0.1"),
    });
    await expect(images.fetch(`http://images.test:${outer.port}/`)).rejects.toMatchObject({
      reason: "private-address",
    });
    expect(inner.asked).toEqual([]);
  });

  it("refuses to go from https back to http", () => {
    const hosts = hostList("hosts", ["images.example"]);
    const from = new URL("https://images.example/a");
    expect(() => allowedUrl("http://images.example/b", hosts, from)).toThrow(/redirects from https to http/);
    expect(allowedUrl("/b", hosts, from).href).toBe("https://images.example/b");
  });

  it("stops reading at the limit, whether the length is declared or not", async () => {
    let sent = 0;
    const { port } = await serve((request, response) => {
      if (request.url === "/declared") return void response.writeHead(200, { "content-length": 5_000_000 }).write("x");
      const more = (): void => {
        while (sent < 100_000_000 && !response.destroyed) {
          sent += 65_536;
          if (!response.write(Buffer.alloc(65_536))) return void response.once("drain", more);
        }
      };
      more();
    });
    const images = trusted(port);
    for (const path of ["declared", "endless"]) {
      await expect(images.fetch(`http://images.test:${port}/${path}`)).rejects.toMatchObject({
        reason: "too-many-bytes",
      });
    }
    expect(sent).toBeLessThan(50_000_000);
  });

  it("refuses compressed bodies and other statuses, and tells no query string", async () => {
    const { port } = await serve((request, response) => {
      if (request.url?.startsWith("/gzip")) response.writeHead(200, { "content-encoding": "gzip" }).end("x");
      else response.writeHead(403).end("no");
    });
    const images = trusted(port);
    await expect(images.fetch(`http://images.test:${port}/gzip`)).rejects.toMatchObject({ reason: "content-encoding" });
    const refused = images.fetch(`http://images.test:${port}/private?signature=s3cret`);
    await expect(refused).rejects.toMatchObject({
      reason: "http-status",
      message: expect.not.stringContaining("s3cret") as string,
    });
  });

  it("gives up on a silent server, and at once when asked", async () => {
    const { port } = await serve((_request, response) => void response.writeHead(200).write("x"));
    const slow = trusted(port, { timeoutMs: 100 }).fetch(`http://images.test:${port}/`);
    await expect(slow).rejects.toMatchObject({ reason: "timeout" });
    const controller = new AbortController();
    const aborted = trusted(port).fetch(`http://images.test:${port}/`, controller.signal);
    setTimeout(() => controller.abort(), 30);
    await expect(aborted).rejects.toMatchObject({ code: "R1_ABORTED" });
  });

  it("says that nobody listens or that a name has no address", async () => {
    const { port } = await serve(sendPicture);
    await closing.pop()!();
    await expect(trusted(port).fetch(`http://images.test:${port}/`)).rejects.toMatchObject({ reason: "unreachable" });
    const nameless = remote({ hosts: ["images.test"], resolve: async () => [] });
    await expect(nameless.fetch("http://images.test/")).rejects.toMatchObject({ reason: "no-address" });
  });
});
