/**
 * The parts of the AI SDK's provider specifications that are used here, for V3 (`ai` 6) and V4 (`ai` 7) alike. Written out,
 * because no one version of the package has both; the tests check them against the types of each.
 */

/** Specification of `ai` 6 and of `ai` 7. */
export type SpecificationVersion = "v3" | "v4";

/** What `doRerank` is called with. */
export interface RerankCall {
  readonly documents:
    | { readonly type: "text"; readonly values: readonly string[] }
    | { readonly type: "object"; readonly values: readonly Readonly<Record<string, unknown>>[] };
  readonly query: string;
  readonly topN?: number | undefined;
  readonly abortSignal?: AbortSignal | undefined;
  readonly providerOptions?: Readonly<Record<string, Readonly<Record<string, unknown>>>> | undefined;
}

/** A reranking model of either specification. */
export interface Reranker<V extends SpecificationVersion> {
  readonly specificationVersion: V;
  readonly provider: string;
  readonly modelId: string;
  doRerank(call: RerankCall): Promise<{ ranking: { index: number; relevanceScore: number }[] }>;
}

/** File data of a prompt: V3 gives it bare, V4 with its kind. */
export type FileData =
  | Uint8Array
  | string
  | URL
  | { readonly type: "data"; readonly data: Uint8Array | string }
  | { readonly type: "url"; readonly url: URL }
  | { readonly type: string };

/** One part of a prompt's turn. */
export interface PromptPart {
  readonly type: string;
  readonly text?: string;
  readonly mediaType?: string;
  readonly data?: unknown;
}

/** One turn of a prompt. */
export interface PromptTurn {
  readonly role: string;
  readonly content: string | readonly PromptPart[];
}

/** The part of the call options that best of n reads. */
export interface GenerateParams {
  readonly prompt: readonly PromptTurn[];
  readonly seed?: number | undefined;
  readonly abortSignal?: AbortSignal | undefined;
}

/** Tokens of one kind. */
export interface TokenCounts {
  readonly total: number | undefined;
}

/** The part of a reply that best of n reads and sums. */
export interface Generated {
  readonly content: readonly { readonly type: string; readonly text?: unknown }[];
  readonly usage: { readonly inputTokens: TokenCounts; readonly outputTokens: TokenCounts };
  readonly providerMetadata?: object | undefined;
}

/** Whatever wraps `generate`, in either specification: the reply that comes out is one of those that came in. */
export interface WrapGenerate {
  <P extends GenerateParams, G extends Generated>(call: {
    doGenerate: () => PromiseLike<G>;
    params: P;
    model: { doGenerate(params: P): PromiseLike<G> };
  }): Promise<G>;
}

/** A language model middleware of either specification. */
export interface BestOfNMiddleware<V extends SpecificationVersion> {
  readonly specificationVersion: V;
  readonly wrapGenerate: WrapGenerate;
  readonly wrapStream: () => Promise<never>;
}
