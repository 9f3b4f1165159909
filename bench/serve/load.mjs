// A closed loop of requests over raw sockets, so that the client costs as little as it can: `connections` clients, each of
// which sends its next request when it has its reply. Replies are read by their content-length; connections that the server
// closes are opened again.
import { connect } from "node:net";

const END = Buffer.from("\r\n\r\n");

/** One client. `next()` gives a request's bytes, or `undefined` to stop; `done(status, body, ms)` is told of its reply. */
const client = (port, { next, done, lost }) => {
  let [received, started, open] = [Buffer.alloc(0), 0, false];
  let socket;
  const send = () => {
    const bytes = next();
    if (bytes === undefined) return socket.destroy();
    open = true;
    started = performance.now();
    socket.write(bytes);
  };
  const read = (chunk) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    const end = received.indexOf(END);
    if (end < 0) return;
    const head = received.toString("latin1", 0, end);
    const length = Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    if (received.length < end + 4 + length) return;
    const body = received.subarray(end + 4, end + 4 + length);
    open = false;
    done(Number(head.slice(9, 12)), body, performance.now() - started);
    received = Buffer.alloc(0);
    if (/^HTTP\/1\.0|connection: *close/i.test(head)) again();
    else send();
  };
  const again = () => {
    socket?.destroy();
    socket = connect(port, "127.0.0.1", send);
    socket.setNoDelay(true);
    socket.on("data", read);
    const mine = socket;
    socket.on("error", () => open && mine === socket && lost());
  };
  again();
  return () => socket.destroy();
};

const quantile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;

/** Runs a scenario's requests against a port. `answers` is how many rewards one request asks for. */
export const load = async (port, { requestAt, answers, read, connections, warmMs, windowMs }) => {
  const times = [];
  let [at, bad, stopped, counting] = [0, 0, false, false];
  const done = (status, body, ms) => {
    if (status !== 200 || read(body) !== answers) bad += 1;
    else if (counting) times.push(ms);
  };
  const stops = Array.from({ length: connections }, () =>
    client(port, { next: () => (stopped ? undefined : requestAt(at++)), done, lost: () => (bad += 1) }),
  );
  await new Promise((resolve) => setTimeout(resolve, warmMs));
  counting = true;
  const started = performance.now();
  await new Promise((resolve) => setTimeout(resolve, windowMs));
  const seconds = (performance.now() - started) / 1000;
  [counting, stopped] = [false, true];
  for (const stop of stops) stop();
  times.sort((a, b) => a - b);
  return {
    requests: times.length,
    perSecond: times.length / seconds,
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
    bad,
  };
};
