import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createSlots, orAborted } from "./concurrency.ts";

const turns = async (n: number) => {
  for (let turn = 0; turn < n; turn++) await Promise.resolve();
};

describe("createSlots", () => {
  test("never more than allowed at once, in the order handed in, and all of it", async () => {
    const delays = fc.array(fc.nat(20), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(delays, fc.integer({ min: 1, max: 4 }), fc.nat(29), async (list, concurrency, failing) => {
        const slots = createSlots(concurrency);
        const started: number[] = [];
        let [now, most] = [0, 0];
        const results = await Promise.allSettled(
          list.map((delay, i) =>
            slots(async () => {
              started.push(i);
              most = Math.max(most, ++now);
              await turns(delay);
              now -= 1;
              if (i === failing) throw new Error("one");
              return i;
            }),
          ),
        );
        expect(most).toBeLessThanOrEqual(concurrency);
        expect(started).toEqual(list.map((_, i) => i));
        results.forEach((result, i) => expect(result.status).toBe(i === failing ? "rejected" : "fulfilled"));
      }),
    );
  });

  test("a slot that is handed over cannot be taken in between", async () => {
    const slots = createSlots(1);
    let [now, most] = [0, 0];
    const work = async () => {
      most = Math.max(most, ++now);
      await turns(2);
      now -= 1;
    };
    const first = slots(work);
    const second = slots(work);
    const third = first.then(() => slots(work));
    await Promise.all([first, second, third]);
    expect(most).toBe(1);
  });
});

describe("orAborted", () => {
  test("passes results and failures on", async () => {
    const { signal } = new AbortController();
    await expect(orAborted(Promise.resolve(1), signal)).resolves.toBe(1);
    await expect(orAborted(Promise.reject(new Error("x")), signal)).rejects.toThrow("x");
    await expect(orAborted(Promise.resolve(2), undefined)).resolves.toBe(2);
  });

  test("does not wait for work that ignores the signal", async () => {
    const controller = new AbortController();
    const waiting = orAborted(new Promise(() => undefined), controller.signal);
    controller.abort("why");
    await expect(waiting).rejects.toMatchObject({ code: "R1_ABORTED", cause: "why" });
    await expect(orAborted(new Promise(() => undefined), controller.signal)).rejects.toMatchObject({ cause: "why" });
  });
});
