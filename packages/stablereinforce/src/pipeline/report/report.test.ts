import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  drawChart,
  drawChartFile,
  escapeText,
  renderHtml,
  renderMarkdown,
  shortNumber,
  type RunStory,
} from "./index.ts";

const story = (text: string): RunStory => ({
  name: text,
  policy: text,
  parameters: 12,
  data: { train: 2, hard: 1, heldOut: 1, skipped: 25, problems: [{ where: text, problem: text }] },
  stages: [
    {
      stage: "rl",
      status: "running",
      reports: [],
      evaluations: [],
      samples: [
        { step: 1, id: text, truth: 0, text, finishReason: "stop", reward: { value: 1, parts: { result: 1 } } },
      ],
      alarms: [{ kind: "loss-spike", step: 3, severity: "fatal", message: text, action: "stopped" }],
      best: null,
    },
  ],
  config: text,
});

describe("charts", () => {
  it("golden: points, a gap where nothing was measured, whole steps on the axis", () => {
    const svg = drawChart({ title: "t", lines: [{ name: "a", points: [[1, 0], [2, 1], [3, null], [4, NaN], [5, 1]] }] }); // prettier-ignore
    // 460 × 240 with margins 52, 14, 34, 46: x from 52 to 446 for steps 1 to 5, y from 194 (0) to 34 (1).
    expect(svg).toContain('d="M52.0 194.0L150.5 34.0M446.0 34.0"');
    expect(svg).toContain(">2</text>");
    expect(svg).not.toContain("1.5</text>");
    expect(svg).not.toContain("NaN");
  });

  it("whatever the numbers, coordinates are numbers", () => {
    const y = fc.oneof(fc.double(), fc.constant(null));
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 1e6 }), y), { maxLength: 20 }), (points) => {
        const low = points
          .map(([x, value]) => [x, value ?? 0, value ?? 0] as const)
          .filter((b) => Number.isFinite(b[1]));
        expect(drawChart({ title: "t", lines: [{ name: "a", points, band: low }] })).not.toMatch(
          /NaN|Infinity|undefined/,
        );
      }),
    );
  });

  it("names of many lines take the rows they need, and nothing leaves the picture", () => {
    const names = ["a", "without Pre-CLIP", "without filter", "without consistency", "StableReinforce", "b & c"];
    const svg = drawChart({ title: "t", lines: names.map((name) => ({ name, points: [[1, 0]] })), over: "k" });
    const height = Number(/viewBox="0 0 460 (\d+)"/.exec(svg)?.[1]);
    const [rows, ends]: [Set<number>, number[]] = [new Set(), []];
    for (const [, x, y, name] of svg.matchAll(/<text x="(\d[\d.]*)" y="(\d+)">([^<]+)<\/text>/g)) {
      if (!names.includes(name!.replace("&amp;", "&"))) continue;
      rows.add(Number(y));
      ends.push(Number(x) + 6.4 * name!.length);
    }
    expect(ends).toHaveLength(names.length);
    expect(Math.max(...ends)).toBeLessThan(460);
    expect([...rows]).toEqual([234, 250]);
    expect(height).toBe(256);
    expect(svg).toContain(">k</text></svg>");
  });

  it("as a file: a whole SVG with its own colours", () => {
    const chart = { title: "t", lines: [{ name: "a", points: [[1, 0]] as const }] };
    const file = drawChartFile(chart);
    expect(file).toMatch(
      /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" [^>]*><style>[^<]*<\/style><rect [^>]*fill="white"\/>/,
    );
    expect(file.endsWith(drawChart(chart).replace(/^<svg[^>]*>/, "") + "\n")).toBe(true);
  });

  it("numbers are short", () => {
    expect([0, 0.25, 1234.5, 1e6, 1e-6, -0.5].map(shortNumber)).toEqual(["0", "0.25", "1230", "1e6", "1e-6", "-0.5"]);
  });
});

describe("what a policy wrote is text", () => {
  const hostile = '</pre><script>alert(1)</script><img src=x onerror="y">&amp;';

  it("in HTML", () => {
    const html = renderHtml(story(hostile));
    expect(html).not.toMatch(/<script|<img/);
    expect(html).toContain("&lt;script&gt;");
    expect(html).toContain("default-src 'none'");
    expect(html).toContain("and 24 more");
    expect(escapeText(hostile)).not.toMatch(/[<>"]/);
  });

  it("in Markdown tables", () => {
    expect(renderMarkdown(story("a|b\nc"))).toContain("| policy | a\\|b c |");
  });
});
