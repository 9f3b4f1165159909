/** Execution providers that are not there, and what would bring them. */
import { EngineError } from "../errors.ts";
import type { Provider } from "./ort.ts";

/** Brings the CUDA provider's libraries, which npm does not ship: the package's install script fetches them. */
export const CUDA_COMMAND = "npm install onnxruntime-node --onnxruntime-node-install=cuda12";

/** For Debian and Ubuntu. NVIDIA's own driver is a Vulkan driver too. */
const VULKAN_COMMAND = "apt-get install libvulkan1 mesa-vulkan-drivers";

interface Help {
  readonly text: string;
  readonly command?: string;
}

const NEEDS: Readonly<Record<Exclude<Provider, "cpu" | "webgpu">, string>> = {
  cuda:
    "it needs Linux or Windows on x64, an NVIDIA driver, CUDA 12 and cuDNN 9, and the provider's libraries: " +
    CUDA_COMMAND,
  dml: "DirectML is Windows only",
  coreml: "CoreML is macOS only",
};

const platform = (): string =>
  (globalThis as { process?: { readonly platform?: string } }).process?.platform ?? "a browser";

/** `failed`: the provider is part of the package, but did not start. */
const webgpu = (where: string, failed: boolean): Help => {
  if (where.startsWith("onnxruntime-web")) return { text: "browsers need navigator.gpu; in Node, use onnx-node" };
  if (!failed) return { text: "onnxruntime-node bundles it on linux-x64, win32 and darwin" };
  if (platform() !== "linux")
    return { text: "it is bundled, but found no GPU that it can use: update the GPU's driver" };
  const text = `it is bundled, but on Linux it also needs libvulkan.so.1 and a Vulkan driver: ${VULKAN_COMMAND}`;
  return { text, command: VULKAN_COMMAND };
};

const helpOf = (provider: Provider, where: string, failed: boolean): Help => {
  if (where.startsWith("tfjs")) return { text: "providers belong to onnx-node and onnx-web" };
  if (provider === "cpu") return { text: "it does not start" };
  return provider === "webgpu" ? webgpu(where, failed) : { text: NEEDS[provider] };
};

/** An execution provider that is not there, or that did not start because of `cause`. */
export const noProvider = (provider: Provider, where: string, cause?: unknown, command?: string): EngineError => {
  const help = helpOf(provider, where, cause !== undefined);
  const why = cause instanceof Error ? ` (${cause.message})` : "";
  return new EngineError(
    `provider ${provider} is not available in ${where}: ${help.text}${why}`,
    { reason: "no-provider", command: command ?? help.command },
    { cause },
  );
};
