/** Qwen2.5-VL as a chat model in this process. */
export { localChatModel } from "./local-chat-model.ts";
export type { LocalChatModel, LocalChatOptions, LocalChatStats } from "./types.ts";
