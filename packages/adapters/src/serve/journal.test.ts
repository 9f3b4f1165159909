import { describe, expect, it } from "vitest";
import { readJournal, type FrozenRecord, type SeatRecord } from "./journal.ts";
import { askedPrompt } from "./prompt.ts";
import { unscorable } from "./results.ts";

const policy = { holdMs: 1, groupMs: 1, maxSheds: 0, retryAfterMs: 1 };
const submission = { prompt: askedPrompt("Q"), response: "", size: 2 };
const seat = (key: string, response: string, more: Partial<SeatRecord> = {}): SeatRecord => ({
  t: "seat",
  at: 1000,
  key,
  n: 0,
  response,
  ...more,
});
const frozen = (key: string, at = 1000): FrozenRecord => ({
  t: "frozen",
  at,
  key,
  n: 0,
  size: 1,
  seats: [{ response: "a", late: false, result: unscorable("alone") }],
});
const text = (...records: readonly object[]) => records.map((record) => `${JSON.stringify(record)}\n`).join("");

describe("readJournal", () => {
  it("keeps the seats of open groups and the last word about frozen ones", () => {
    const first = seat("open", "a", { submission, policy });
    const second = seat("open", "b");
    const kept = readJournal(
      text(first, seat("done", "a", { submission, policy }), second, frozen("done", 1500), frozen("done", 2000)),
      0,
    );
    expect(kept).toEqual([frozen("done", 2000), first, second]);
  });

  it("drops what is too old, keeps what a clock that was set back dates into the future", () => {
    const future = frozen("future", 9e15);
    expect(readJournal(text(frozen("old", 999), frozen("new", 1000), future), 1000)).toEqual([frozen("new"), future]);
  });

  it("leaves out torn lines, foreign ones, and groups whose first seat was lost", () => {
    const lines = `${text(seat("headless", "b"))}{"t":"seat","at":1\nnull\n[]\n"x"\n{"t":"frozen","at":1000,"key":"k","n":0}\n`;
    expect(readJournal(lines, 0)).toEqual([]);
  });
});
