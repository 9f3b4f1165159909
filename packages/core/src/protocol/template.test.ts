import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError } from "../errors.ts";
import { compileTemplate } from "./template.ts";

const NAMES = ["question", "answer1", "answer2"] as const;

describe("compileTemplate", () => {
  it("puts values in, whatever they contain", () => {
    const fill = compileTemplate("Q {question}\n1 {answer1}\n2 {answer2}.", NAMES);
    expect(fill({ question: "{answer1}", answer1: "$& $1 $$", answer2: "{question}{0}}{" })).toBe(
      "Q {answer1}\n1 $& $1 $$\n2 {question}{0}}{.",
    );
  });

  it("takes braces without a known name literally, and a name as often as it occurs", () => {
    const fill = compileTemplate('{"x": {{question}}} {question} {question', ["question"]);
    expect(fill({ question: "?" })).toBe('{"x": {?}} ? {question');
  });

  it("names the placeholder that is missing", () => {
    expect(() => compileTemplate("{question} {answer1}", NAMES)).toThrow(
      new ConfigError("template: expected the placeholder {answer2}, got none"),
    );
    expect(() => compileTemplate("", ["question"])).toThrow(ConfigError);
  });

  it("gives back every value from where it was put", () => {
    const mark = "\u0001";
    const value = fc.string().filter((text) => !text.includes(mark));
    const fill = compileTemplate(`${mark}{question}${mark}{answer1}${mark}{answer2}${mark}`, NAMES);
    fc.assert(
      fc.property(value, value, value, (question, answer1, answer2) => {
        expect(fill({ question, answer1, answer2 }).split(mark)).toEqual(["", question, answer1, answer2, ""]);
      }),
    );
  });
});
