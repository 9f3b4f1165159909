import { boundary, ConfigError, MediaError, messageOf } from "./errors.ts";
import type { CallOptions, MediaLoader } from "./interfaces.ts";
import type { LoadedPart, Message, Part } from "./types.ts";

const loadPart = async (
  part: Part,
  loader: MediaLoader | undefined,
  options: CallOptions & { readonly where: string },
): Promise<LoadedPart> => {
  if (part.type === "text") return part;
  if (loader === undefined) {
    throw new ConfigError(`${options.where} has a part of type ${part.type}: expected the option media, got none`);
  }
  const call = { signal: options.signal };
  const wrap = (cause: unknown) =>
    new MediaError("unreadable", `${options.where} ${part.type}: ${messageOf(cause)}`, { cause });
  return boundary<LoadedPart>(wrap, async () =>
    part.type === "image"
      ? { type: "image", image: await loader.image(part.image, call) }
      : loader.video(part.video, call),
  );
};

/**
 * Reads the images and videos of messages, all at once.
 *
 * @throws {ConfigError} when there is media and no loader.
 * @throws {MediaError} what the loader refuses.
 */
export const loadMessages = (
  messages: readonly Message[],
  loader: MediaLoader | undefined,
  options: CallOptions & { readonly where: string },
): Promise<readonly Message<LoadedPart>[]> =>
  Promise.all(
    messages.map(async ({ role, content }) => ({
      role,
      content: await Promise.all(content.map((part) => loadPart(part, loader, options))),
    })),
  );
