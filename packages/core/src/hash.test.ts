import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { sha256 } from "./hash.ts";

const oracle = (data: string | Uint8Array): string => createHash("sha256").update(data).digest("hex");

test("the examples of FIPS 180-4", () => {
  // From NIST's SHA256 example values: "abc", the empty message, and the two-block message.
  expect(sha256("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  expect(sha256("")).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  expect(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")).toBe(
    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
  );
});

test("every length around the block boundaries agrees with OpenSSL", () => {
  for (let length = 0; length <= 200; length += 1) {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 37 + length) & 0xff);
    expect(sha256(bytes), `${length} bytes`).toBe(oracle(bytes));
  }
});

test("random bytes and texts agree with OpenSSL", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => sha256(bytes) === oracle(bytes)));
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => sha256(text) === oracle(text)));
});

test("a view into a larger buffer is hashed by its own bytes", () => {
  const bytes = Uint8Array.from({ length: 300 }, (_, i) => i & 0xff);
  expect(sha256(bytes.subarray(17, 217))).toBe(oracle(bytes.slice(17, 217)));
});
