import { describe, expect, it } from "vitest";
import { createEngine, describeRuntimes, type EngineOptions } from "./index.ts";
import { noProvider } from "./runtime/providers.ts";

it("says what works here, and what would bring the rest", async () => {
  const reports = await describeRuntimes();
  const find = (runtime: string, provider = "cpu") =>
    reports.find((r) => r.runtime === runtime && r.provider === provider);
  expect(find("onnx-web")).toMatchObject({ works: true, compiles: true, problem: null });
  expect(find("tfjs-cpu")).toMatchObject({ works: true, compiles: false, problem: null });
  for (const report of reports) {
    if (report.works) continue;
    expect(report.problem, `${report.runtime}/${report.provider}`).toMatch(
      /npm install|only|bundles|navigator|Node|does not|Vulkan/,
    );
    if (report.command !== null) expect(report.problem).toContain(report.command);
  }
  expect(find("onnx-web", "webgpu")).toMatchObject({ command: null, problem: /in Node, use onnx-node/ });
  const absent = find("tfjs-node");
  if (absent?.works === false) expect(absent.command).toBe("npm install @tensorflow/tfjs-node");
});

describe("a provider that is not there", () => {
  const cause = new Error("Failed to get a WebGPU adapter");
  it("is told what its platform needs, with the cause kept", () => {
    const error = noProvider("webgpu", "onnx-node", cause);
    const vulkan = /on Linux it also needs libvulkan\.so\.1 and a Vulkan driver: apt-get install .*\(Failed to get/;
    expect(error.message).toMatch(process.platform === "linux" ? vulkan : /no GPU that it can use: .*\(Failed to get/);
    expect(error.message).not.toMatch(/bundles it on linux/);
    expect(error).toMatchObject({ reason: "no-provider", cause });
  });

  it("that the package lacks asks for another machine", () => {
    const error = noProvider("webgpu", "onnxruntime-node on linux-arm64 (offers cpu)");
    expect(error.message).toMatch(/onnxruntime-node bundles it on linux-x64, win32 and darwin$/);
    expect(error.command).toBeUndefined();
    expect(noProvider("cuda", "tfjs-wasm").message).toMatch(/tfjs-wasm: providers belong to onnx-node and onnx-web/);
  });
});

describe("options", () => {
  it.each<[Record<string, unknown>, RegExp]>([
    [{ runtime: "foo" }, /engine runtime: expected auto, onnx-node.*got "foo"/],
    [{ runtime: "constructor" }, /engine runtime/],
    [{ provider: "foo" }, /engine provider: expected cpu, cuda.*got "foo"/],
    [{ precision: "int8" }, /engine precision: expected float32, float16, bfloat16, got "int8"/],
    [{ spin: "yes" }, /engine spin: expected true, false, got "yes"/],
    [{ arena: 1 }, /engine arena/],
    ...[100_000, -1, 1.5, 0, NaN, "2", null].map((threads): [Record<string, unknown>, RegExp] => [
      { threads },
      /engine threads: expected a whole number from 1 to 1024, got/,
    ]),
  ])("%j are refused", async (options, message) => {
    await expect(createEngine(options as EngineOptions)).rejects.toMatchObject({ code: "R1_CONFIG", message });
  });
});
