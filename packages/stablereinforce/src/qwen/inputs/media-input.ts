/** Images and videos of messages: found, loaded, and decoded one frame at a time. */
import {
  decodeBase64,
  MediaError,
  throwIfAborted,
  type CallOptions,
  type LoadedImage,
  type LoadedImagePart,
  type LoadedVideoPart,
  type MediaLoader,
} from "@r1reward/core";
import type { ChatMessage } from "./chat-template.ts";
import type { Grid, ImageDecoder, PixelImage, QwenProcessor, VisualInput } from "./types.ts";

/** An image or video whose size is known, in order of appearance. */
export interface FoundMedia {
  /** E.g. `messages[0].content[1]`. */
  readonly where: string;
  readonly kind: "image" | "video";
  readonly frames: readonly LoadedImage[];
  readonly grid: Grid;
  /** Seconds from one time step to the next; 0 for an image. */
  readonly secondsPerGrid: number;
}

type MediaPart = Exclude<ChatMessage["content"][number], { readonly type: "text" }>;
type LoadedMedia = LoadedImagePart | LoadedVideoPart;

const loadPart = (part: MediaPart, loader: MediaLoader, call: CallOptions): LoadedMedia | Promise<LoadedMedia> => {
  if (part.type === "video") return "frames" in part ? part : loader.video(part.video, call);
  const { image } = part;
  if ("base64" in image) return { type: "image", image };
  return loader.image(image, call).then((loaded) => ({ type: "image", image: loaded }));
};

/** An error about a picture that says which one. */
const namingPart = (where: string, cause: unknown): unknown =>
  cause instanceof MediaError && !cause.message.startsWith(where)
    ? new MediaError(cause.reason, `${where}: ${cause.message}`, { cause })
    : cause;

const measure = (part: LoadedMedia, processor: QwenProcessor, where: string): FoundMedia => {
  if (part.type === "image") {
    const { height, width } = part.image;
    const grid = processor.imageGrid(height, width);
    return { where, kind: "image", frames: [part.image], grid, secondsPerGrid: 0 };
  }
  const { frames, fps } = part;
  const [first] = frames;
  if (first === undefined) throw new MediaError("no-frames", "expected at least 1 frame, got 0");
  if (!(Number.isFinite(fps) && fps > 0)) throw new MediaError("bad-fps", `expected a positive fps, got ${fps}`);
  const grid = processor.videoGrid(frames.length, first.height, first.width);
  return { where, kind: "video", frames, grid, secondsPerGrid: processor.options.temporalPatchSize / fps };
};

/**
 * Loads the images and videos of messages, all at once, and says what grid each will have. Nothing is decoded.
 *
 * @throws MediaError naming the part; AbortError
 */
export const findMedia = async (
  messages: readonly ChatMessage[],
  processor: QwenProcessor,
  loader: MediaLoader,
  call: CallOptions,
): Promise<readonly FoundMedia[]> => {
  const parts = messages.flatMap(({ content }, message) =>
    content.flatMap((part, i) => (part.type === "text" ? [] : [{ part, where: `messages[${message}].content[${i}]` }])),
  );
  return Promise.all(
    parts.map(async ({ part, where }) => {
      try {
        return measure(await loadPart(part, loader, call), processor, where);
      } catch (cause) {
        throw namingPart(where, cause);
      }
    }),
  );
};

const ascii = new TextDecoder("latin1");

const decodeFrame = async (
  image: LoadedImage,
  decode: ImageDecoder,
  options: CallOptions & { readonly where: string },
): Promise<PixelImage> => {
  const { where } = options;
  const pixels = await decode(decodeBase64(ascii.decode(image.base64)), options);
  if (pixels.width === image.width && pixels.height === image.height) return pixels;
  const sizes = `expected ${image.width}×${image.height} pixels, got ${pixels.width}×${pixels.height}`;
  throw new MediaError("size-mismatch", `${where}: ${sizes}`);
};

/**
 * Decodes one image or video, each frame resized before the next is decoded, so that a long video never lies in memory
 * at full size.
 *
 * @throws MediaError naming the part and frame; AbortError
 */
export const readMedia = async (
  media: FoundMedia,
  processor: QwenProcessor,
  decode: ImageDecoder,
  { signal }: CallOptions,
): Promise<VisualInput> => {
  const frames: PixelImage[] = [];
  for (const [i, image] of media.frames.entries()) {
    throwIfAborted(signal);
    const where = media.kind === "video" ? `${media.where} frame ${i}` : media.where;
    try {
      const pixels = await decodeFrame(image, decode, { signal, where });
      frames.push(processor.resize(pixels, media.kind, where));
    } catch (cause) {
      throw namingPart(where, cause);
    }
  }
  try {
    return processor.patches(frames);
  } catch (cause) {
    throw namingPart(media.where, cause);
  }
};
