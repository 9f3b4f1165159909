import { describe, expect, it } from "vitest";
import { parseEndpoints } from "./endpoint.ts";
import { createLimiter, type ConcurrencyOptions, type Lease, type Limiter } from "./limiter.ts";
import { createLine } from "./line.ts";

const [a, b, c] = ["http://a", "http://b", "http://c"];

const setup = (urls: readonly string[], options: ConcurrencyOptions = {}) => {
  let now = 0;
  const limiter = createLimiter(parseEndpoints(urls), options, () => now);
  return { limiter, pass: (ms: number) => (now += ms) };
};
const takeAll = (limiter: Limiter): Lease[] => {
  const leases: Lease[] = [];
  for (let lease = limiter.take(); lease !== undefined; lease = limiter.take()) leases.push(lease);
  return leases;
};
const limitOf = (limiter: Limiter) => limiter.stats()[0]!.limit;

describe("the window", () => {
  it("doubles per round while it is young, and grows by one per round after a cut", () => {
    const { limiter } = setup([a!], { initial: 2, max: 100 });
    const inFlight = takeAll(limiter);
    const round = (answers: number) => {
      for (let i = 0; i < answers; i++) {
        inFlight.shift()!.release("ok");
        inFlight.push(...takeAll(limiter));
      }
    };
    for (const expected of [4, 8, 16]) {
      round(limitOf(limiter));
      expect(limitOf(limiter)).toBe(expected);
    }
    for (const [i, lease] of inFlight.splice(0).entries()) {
      lease.release(i === 0 ? "overload" : "neutral");
      inFlight.push(...takeAll(limiter));
    }
    expect(limitOf(limiter)).toBe(8);
    expect(inFlight).toHaveLength(8);
    round(8);
    // 8 answers of 1/8 each, a little less as the window grows meanwhile: one more completes the step.
    expect(limitOf(limiter)).toBe(8);
    round(1);
    expect(limitOf(limiter)).toBe(9);
  });

  it("is cut once for all requests that were sent before the cut", () => {
    const { limiter } = setup([a!], { initial: 64 });
    for (const lease of takeAll(limiter)) lease.release("overload");
    expect(limitOf(limiter)).toBe(32);
    limiter.take()!.release("overload");
    expect(limitOf(limiter)).toBe(16);
  });

  it("never leaves its bounds, and does not grow when it is not used", () => {
    const { limiter } = setup([a!], { initial: 4, min: 2, max: 6 });
    for (let i = 0; i < 50; i++) limiter.take()!.release("ok");
    expect(limitOf(limiter)).toBe(4);
    for (let i = 0; i < 10; i++) for (const lease of takeAll(limiter)) lease.release("ok");
    expect(limitOf(limiter)).toBe(6);
    for (let i = 0; i < 10; i++) limiter.take()!.release("overload");
    expect(limitOf(limiter)).toBe(2);
  });

  it.each([
    [{ min: 0 }, /concurrency.min/],
    [{ min: 5, max: 4 }, /min <= max/],
    [{ initial: 9, max: 4 }, /concurrency.initial: expected 1 to 4/],
    [{ max: Infinity }, /concurrency.max/],
  ])("refuses %j", (options, message) => {
    expect(() => setup([a!], options)).toThrow(message);
  });
});

describe("the line", () => {
  it("is served in order, calls that had a turn before first, leavers not at all", () => {
    const { limiter } = setup([a!], { initial: 1, max: 1 });
    const lease = limiter.take()!;
    const order: string[] = [];
    const join = (name: string, first = false) =>
      limiter.wait((granted) => {
        order.push(name);
        granted.release("neutral");
      }, first);
    join("1");
    const leave = join("2");
    join("3");
    join("again", true);
    leave();
    leave();
    expect(limiter.waiting()).toBe(3);
    expect(limiter.take()).toBeUndefined();
    lease.release("neutral");
    expect(order).toEqual(["again", "1", "3"]);
    expect(limiter.waiting()).toBe(0);
    expect(limiter.take()).toBeDefined();
  });

  it("keeps its order through any number of joins and leaves", () => {
    const line = createLine<number>();
    const expected: number[] = [];
    const got: number[] = [];
    let next = 0;
    for (let round = 0; round < 300; round++) {
      for (let i = 0; i < 20; i++) {
        const item = next++;
        const leave = line.join(item);
        if (item % 7 === 3) leave();
        else expected.push(item);
      }
      for (let i = 0; i < 15; i++) got.push(line.shift()!);
      expect(line.size).toBe(expected.length - got.length);
    }
    for (let item = line.shift(); item !== undefined; item = line.shift()) got.push(item);
    expect(got).toEqual(expected);
    expect(line.size).toBe(0);
  });
});

describe("replicas", () => {
  it("get calls by how busy they are", () => {
    const { limiter } = setup([a!, b!, c!], { initial: 10 });
    const leases = Array.from({ length: 9 }, () => limiter.take()!);
    expect(limiter.stats().map(({ inFlight }) => inFlight)).toEqual([3, 3, 3]);
    for (const lease of leases.filter(({ endpoint }) => endpoint.host === "b")) lease.release("ok");
    expect([1, 2, 3].map(() => limiter.take()!.endpoint.host)).toEqual(["b", "b", "b"]);
  });

  it("that fail are left alone, longer each time, until they answer", () => {
    const { limiter, pass } = setup([a!, b!], { initial: 10 });
    const hosts = (n: number) => new Set(Array.from({ length: n }, () => limiter.take()!.endpoint.host));
    const fail = () => {
      let lease = limiter.take()!;
      while (lease.endpoint.host !== "a") lease = limiter.take()!;
      lease.release("fault");
    };
    fail();
    expect(hosts(4)).toEqual(new Set(["b"]));
    expect(limiter.hasOther(parseEndpoints([a!])[0]!)).toBe(true);
    pass(501);
    expect(hosts(2).has("a")).toBe(true);
    fail();
    pass(501);
    expect(limiter.stats()[0]!.coolingDown).toBe(true);
    pass(500);
    expect(limiter.stats()[0]!.coolingDown).toBe(false);
  });

  it("that all fail are still tried: the one that failed longest ago", () => {
    const { limiter, pass } = setup([a!, b!]);
    const first = limiter.take()!;
    first.release("fault");
    pass(100);
    const second = limiter.take()!;
    expect(second.endpoint).not.toBe(first.endpoint);
    second.release("fault");
    expect(limiter.take()!.endpoint).toBe(first.endpoint);
    expect(limiter.hasOther(first.endpoint)).toBe(false);
  });
});
