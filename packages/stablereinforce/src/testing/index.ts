/** @r1reward/stablereinforce/testing: contract suites for whoever brings an engine or a kernel. */
export { kernelCases, kernelContract, type ContractCheck, type KernelContractOptions } from "./kernel-contract.ts";
export type { CaseInput, KernelCase } from "./cases.ts";
export { lossContract, type LossContractOptions } from "./loss-contract.ts";
export { lossRunner, type LossResult, type LossRows, type LossRunner, type Rows } from "./loss-runner.ts";
