import { expect, it } from "vitest";
import { describeRuntimes } from "./index.ts";

it("says what works here, and what would bring the rest", async () => {
  const reports = await describeRuntimes();
  const find = (runtime: string, provider = "cpu") =>
    reports.find((r) => r.runtime === runtime && r.provider === provider);
  expect(find("onnx-web")).toMatchObject({ works: true, compiles: true, problem: null });
  expect(find("tfjs-cpu")).toMatchObject({ works: true, compiles: false, problem: null });
  for (const report of reports) {
    if (report.works) continue;
    expect(report.problem, `${report.runtime}/${report.provider}`).toMatch(
      /npm install|only|bundles|navigator|Node|does not/,
    );
  }
});
