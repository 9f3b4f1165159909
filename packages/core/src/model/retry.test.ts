import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backoffMs, createBudget, retryPolicy } from "./retry.ts";
import { httpFailure, isRetryableStatus, retryAfterOf } from "./failure.ts";

const fakeClock = () => {
  let now = 1_000_000;
  return { clock: { now: () => now, after: () => () => undefined }, pass: (ms: number) => (now += ms) };
};

const headers = (given: Readonly<Record<string, string>>) => ({ header: (name: string) => given[name] });

describe("Retry-After", () => {
  const now = Date.parse("2026-11-02T10:00:00Z");
  it.each([
    [{ "retry-after": "3" }, 3000],
    [{ "retry-after": "0.5" }, 500],
    [{ "retry-after-ms": "250", "retry-after": "9" }, 250],
    [{ "retry-after": "Mon, 02 Nov 2026 10:00:07 GMT" }, 7000],
    [{ "retry-after": "Mon, 02 Nov 2026 09:00:00 GMT" }, 0],
    [{ "retry-after": "soon" }, undefined],
    [{ "retry-after": "-5" }, undefined],
    [{ "retry-after": "1e99" }, undefined],
    [{}, undefined],
  ] satisfies [Record<string, string>, number | undefined][])("%j is %s ms", (given, ms) => {
    expect(retryAfterOf(headers(given), now)).toBe(ms);
  });

  it("is never longer than a day, whatever a server writes", () => {
    expect(retryAfterOf(headers({ "retry-after": "99999999999" }), now)).toBe(86_400_000);
  });
});

describe("waits", () => {
  const policy = retryPolicy();
  it("grow twofold up to a cap, with full jitter", () => {
    const longest = [1, 2, 3, 4, 5, 6, 7, 8].map((attempt) => backoffMs(policy, attempt, undefined, () => 1));
    expect(longest).toEqual([500, 1000, 2000, 4000, 8000, 16000, 20000, 20000]);
    expect(backoffMs(policy, 3, undefined, () => 0)).toBe(0);
  });

  it("last at least as long as the server asks, within its cap", () => {
    fc.assert(
      fc.property(
        fc.nat(200_000),
        fc.integer({ min: 1, max: 40 }),
        fc.double({ min: 0, max: 0.99, noNaN: true }),
        (ask, n, r) => {
          const ms = backoffMs(policy, n, ask, () => r);
          expect(ms).toBeGreaterThanOrEqual(Math.min(ask, 60_000));
          expect(ms).toBeLessThanOrEqual(60_500);
        },
      ),
    );
  });
});

describe("budget", () => {
  it("bounds second tries by what was deposited", () => {
    const { clock } = fakeClock();
    const budget = createBudget(retryPolicy({ budget: { capacity: 3, perCall: 0.5, perSecond: 0 } }), clock);
    const taken = () => Array.from({ length: 10 }, () => budget.take()).filter(Boolean).length;
    expect(taken()).toBe(3);
    for (let i = 0; i < 4; i++) budget.deposit();
    expect(taken()).toBe(2);
    for (let i = 0; i < 1000; i++) budget.deposit();
    expect(taken()).toBe(3);
  });

  it("fills with time, never beyond its capacity", () => {
    const { clock, pass } = fakeClock();
    const budget = createBudget(retryPolicy({ budget: { capacity: 5, perCall: 0, perSecond: 2 } }), clock);
    while (budget.take());
    pass(1000);
    expect(budget.level()).toBe(2);
    pass(60_000);
    expect(budget.level()).toBe(5);
  });

  it.each([
    [{ attempts: 0 }, /retry.attempts: expected a whole number from 1/],
    [{ attempts: 1.5 }, /retry.attempts/],
    [{ baseMs: -1 }, /retry.baseMs/],
    [{ budget: { perCall: Number.NaN } }, /retry.perCall/],
  ])("refuses %j", (options, message) => {
    expect(() => retryPolicy(options)).toThrow(message);
  });
});

describe("statuses", () => {
  it("are told apart", () => {
    const again = [408, 409, 425, 429, 500, 502, 503, 504, 529];
    const never = [400, 401, 403, 404, 413, 415, 422, 501, 505];
    expect(again.map(isRetryableStatus)).toEqual(again.map(() => true));
    expect(never.map(isRetryableStatus)).toEqual(never.map(() => false));
  });

  it("yield to a server that knows better", () => {
    const reply = {
      status: 500,
      text: "no",
      header: (name: string) => (name === "x-should-retry" ? "false" : undefined),
    };
    expect(httpFailure(reply, 0)).toMatchObject({ retryable: false, fault: true, message: "no" });
  });
});
