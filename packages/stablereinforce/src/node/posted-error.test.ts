import { AbortError, ConfigError, MediaError, ModelError, type R1Error } from "@r1reward/core";
import { describe, expect, it } from "vitest";
import { EngineError } from "../engine/errors.ts";
import { CheckpointError, NumericError, ShapeError } from "../errors.ts";
import { errorFrom, postedError } from "./posted-error.ts";

const foreign = (message: string): Error => new RangeError(`worker: ${message}`);

/** As between threads: a structured clone of plain data. */
const sent = (error: unknown): Error => errorFrom(structuredClone(postedError(error)), foreign);

describe("an error that is posted", () => {
  it.each<R1Error>([
    new AbortError("aborted by the caller", { cause: () => "no clone of this" }),
    new CheckpointError({ file: "a.safetensors", problem: "not-finite", tensor: "x.weight" }, "expected numbers"),
    new CheckpointError({ file: "b", problem: "io" }, "gone"),
    new ConfigError("topP: expected at most 1, got 2"),
    new EngineError("no such kernel", { reason: "no-kernel", op: "Foo", site: "a.ts:1:2" }),
    new MediaError("svg", "expected pixels"),
    new ModelError("busy", { model: "m", status: 503, retryable: true, attempts: 3, retryAfterMs: 50 }),
    new NumericError("loss", Number.NaN),
    new ShapeError("prompt", { expected: "at most 3", actual: "4" }),
  ])("is itself again: $name $message", (error) => {
    const back = sent(error);
    expect(back).toBeInstanceOf(error.constructor);
    expect(back).not.toBe(error);
    expect([back.message, back.stack]).toEqual([error.message, error.stack]);
    const fields = (of: Error) => Object.fromEntries(Object.entries(of).filter(([, value]) => value !== undefined));
    expect(fields(back)).toEqual(fields(error));
    expect("cause" in back).toBe(false);
  });

  it("is made by the caller when it is not ours", () => {
    expect(sent(new TypeError("x is not a function"))).toEqual(new RangeError("worker: x is not a function"));
    expect(sent("thrown text")).toEqual(new RangeError("worker: thrown text"));
    const system = Object.assign(new Error("no such file"), { code: "ENOENT" });
    expect(sent(system)).toEqual(new RangeError("worker: no such file"));
  });
});
