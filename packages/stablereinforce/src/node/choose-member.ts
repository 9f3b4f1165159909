/** Which of a pool's workers a chat goes to. */
import type { LoadedPart, Message } from "@r1reward/core";
import type { Member, Waiter } from "./pool-member.ts";

/** Who waits for so many sequences. */
export interface Loaded extends Waiter {
  readonly sequences: number;
}

type LoadedMember = Pick<Member<Loaded>, "waiting" | "dead">;

/** Sequences that are asked of a worker and not answered. */
export const load = ({ waiting }: LoadedMember): number =>
  [...waiting.values()].reduce((sum, { sequences }) => sum + sequences, 0);

/** The one with least to do; those that died are asked only when there are no others, and say why. */
const freest = <M extends LoadedMember>(members: readonly M[]): M => {
  const living = members.filter(({ dead }) => dead === undefined);
  return (living.length > 0 ? living : members).reduce((best, member) => (load(member) < load(best) ? member : best));
};

/** The first picture of a chat, by its digest. */
const pictureIn = (messages: readonly Message<LoadedPart>[]): string | undefined => {
  for (const { content } of messages) {
    for (const part of content) {
      if (part.type === "image") return part.image.sha256;
      if (part.type === "video") return part.frames[0]?.sha256;
    }
  }
  return undefined;
};

/** More sequences than the freest one has, that a worker may have and still be given a picture that it has seen. */
const SLACK = 2;
const PICTURES = 1024;

/** Chooses a worker for a chat: the one that saw the picture last, as it has been through that one's vision tower, or else the freest. */
export const chooser = <M extends LoadedMember>(members: readonly M[]) => {
  const seen = new Map<string, M>();
  return (messages: readonly Message<LoadedPart>[]): M => {
    const free = freest(members);
    const picture = pictureIn(messages);
    if (picture === undefined) return free;
    const before = seen.get(picture);
    const again = before !== undefined && before.dead === undefined && load(before) <= load(free) + SLACK;
    const chosen = again ? before : free;
    seen.delete(picture);
    seen.set(picture, chosen); // the newest stands last
    for (const oldest of seen.keys()) if (seen.size > PICTURES) seen.delete(oldest);
    return chosen;
  };
};
