import { ConfigError, longerJudge, type Anchor } from "@r1reward/core";
import { describe, expect, it } from "vitest";
import { checkOptions, type ServeRewardsOptions } from "./options.ts";
import { wireFormats } from "./wire/index.ts";

const checked = (options: Partial<ServeRewardsOptions>) => () =>
  checkOptions({ judge: longerJudge, ...options }, wireFormats);

describe("checkOptions", () => {
  it("accepts what can work", () => {
    expect(checked({ groupSize: 8, anchors: [{ text: "a fair answer", score: 0.3 }] })).not.toThrow();
    expect(checked({ host: "0.0.0.0", auth: { tokens: ["long-enough-token"] } })).not.toThrow();
  });

  it.each<[Partial<ServeRewardsOptions>, RegExp]>([
    [{ judge: undefined }, /judge: expected either a judge or a rewardModel, got neither/],
    [{ groupSize: 0 }, /groupSize: expected a whole number from 1 to 256, got 0/],
    [{ groupSize: 2.5 }, /groupSize/],
    [{ port: 70_000 }, /port: expected a port/],
    [{ quietMs: Number.NaN }, /quietMs/],
    [{ host: "0.0.0.0" }, /auth: expected tokens/],
    [{ auth: { tokens: ["short"] } }, /auth\.tokens/],
    [{ hold: { nonsense: {} } }, /hold: expected one of /],
    [{ anchors: [{ response: "x", score: 0 } as unknown as Anchor] }, /anchors\[0\]\.text/],
    [
      {
        anchors: [
          { text: "a", score: 0 },
          { text: "b", score: 1 },
        ],
      },
      /anchors\[1\]\.score: expected a number between -1 and 1/,
    ],
    [{ anchors: [{ text: "a", score: Number.NaN }] }, /anchors\[0\]\.score/],
  ])("refuses %j", (options, message) => {
    expect(checked(options)).toThrow(ConfigError);
    expect(checked(options)).toThrow(message);
  });
});
