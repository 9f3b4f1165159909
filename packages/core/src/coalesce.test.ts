import fc from "fast-check";
import { expect, test } from "vitest";
import { coalescing } from "./coalesce.ts";

test("one piece of work per key, and one first", async () => {
  const share = coalescing<number>();
  let started = 0;
  const work = async () => (started += 1);
  const shared = await Promise.all([share("a", work), share("a", work), share("b", work)]);
  expect(shared.map(({ value }) => value)).toEqual([1, 1, 2]);
  expect(shared.map(({ first }) => first)).toEqual([true, false, true]);
  expect(await share("a", work)).toEqual({ value: 3, first: true });
});

test("a failure reaches everybody and is not remembered", async () => {
  const share = coalescing<number>();
  const boom = () => Promise.reject(new Error("boom"));
  const failed = await Promise.allSettled([share("a", boom), share("a", boom)]);
  expect(failed.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect((await share("a", async () => 5)).value).toBe(5);
});

test("a fired signal starts nothing", async () => {
  const share = coalescing<number>();
  let started = 0;
  await expect(share("a", async () => (started += 1), AbortSignal.abort())).rejects.toMatchObject({
    code: "R1_ABORTED",
  });
  expect(started).toBe(0);
});

test("whoever stays gets the value, whoever leaves is told, and one of those who stay is first", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }), async (leaves) => {
      const share = coalescing<string>();
      let finish: (value: string) => void = () => undefined;
      let inner: AbortSignal | undefined;
      const controllers = leaves.map(() => new AbortController());
      const calls = controllers.map(({ signal }) =>
        share("k", (given) => new Promise((resolve) => ((finish = resolve), (inner = given))), signal),
      );
      const settled = Promise.allSettled(calls);
      controllers.forEach((controller, i) => (leaves[i] ? controller.abort() : undefined));
      expect(inner?.aborted).toBe(leaves.every(Boolean));
      finish("value");
      const results = await settled;
      results.forEach((result, i) => expect(result.status).toBe(leaves[i] ? "rejected" : "fulfilled"));
      const firsts = results.filter((result) => result.status === "fulfilled" && result.value.first);
      expect(firsts).toHaveLength(leaves.every(Boolean) ? 0 : 1);
    }),
  );
});

test("an aborted flight that ends late does not push out the one that followed it", async () => {
  const share = coalescing<string>();
  const controller = new AbortController();
  let endFirst: (value: string) => void = () => undefined;
  const first = share("k", () => new Promise((resolve) => (endFirst = resolve)), controller.signal);
  const left = expect(first).rejects.toMatchObject({ code: "R1_ABORTED" });
  controller.abort();
  await left;
  let endSecond: (value: string) => void = () => undefined;
  const second = share("k", () => new Promise((resolve) => (endSecond = resolve)));
  endFirst("old");
  await new Promise((resolve) => setTimeout(resolve, 1));
  const third = share("k", async () => "must not start");
  endSecond("new");
  expect([(await second).value, (await third).value]).toEqual(["new", "new"]);
});
