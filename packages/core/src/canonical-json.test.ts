import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalJson } from "./canonical-json.ts";

test("keys are sorted, undefined is absent, -0 is 0", () => {
  const value = { b: [1, -0, 0.5], a: undefined, Z: { y: null, x: "é\n" } };
  expect(canonicalJson(value)).toBe('{"Z":{"x":"é\\n","y":null},"b":[1,0,0.5]}');
});

test("the order in which properties were set does not matter, and JSON.parse reads it back", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (record) => {
      const reversed = Object.fromEntries(Object.entries(record).reverse());
      expect(canonicalJson(reversed)).toBe(canonicalJson(record));
      expect(JSON.parse(canonicalJson(record))).toEqual(JSON.parse(JSON.stringify(record)));
    }),
  );
});

test.each([
  [{ a: [1, Number.NaN] }, "value.a[1]: expected a finite number, got NaN"],
  [{ a: -Infinity }, "value.a: expected a finite number, got -Infinity"],
  [{ a: () => 1 }, "value.a: expected a JSON value, got function"],
  [{ a: new Map() }, "value.a: expected a JSON value, got object"],
  [[undefined], "value[0]: expected a JSON value, got undefined"],
  [1n, "value: expected a JSON value, got bigint"],
])("what JSON cannot say is refused by name: %#", (value, message) => {
  expect(() => canonicalJson(value)).toThrow(message);
});
