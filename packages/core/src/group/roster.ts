/**
 * Who is in a group. Every different text is one node: fixed items (reference, anchors) first, then responses in the
 * order in which they came. Byte-equal texts share a node, so they are judged once and rewarded alike.
 */
import { ConfigError } from "../errors.ts";
import type { GroupItem, Anchor } from "./types.ts";

/** One response. */
export interface Member {
  readonly id: string;
  /** `null` for a response of white space: there is nothing to judge. */
  readonly node: number | null;
}

/** The group so far. */
export interface Roster {
  readonly texts: string[];
  /** `[texts]`: what each node is called in the results. */
  readonly items: GroupItem[];
  readonly members: Member[];
  readonly ids: Set<string>;
  readonly nodeOf: Map<string, number>;
  /** Nodes below this are fixed. */
  readonly fixed: number;
  readonly reference: number | null;
  readonly anchors: readonly { readonly node: number; readonly score: number }[];
}

const addNode = (roster: Pick<Roster, "texts" | "items" | "nodeOf">, text: string, item: GroupItem): number => {
  const known = roster.nodeOf.get(text);
  if (known !== undefined) return known;
  const node = roster.texts.push(text) - 1;
  roster.items.push(item);
  roster.nodeOf.set(text, node);
  return node;
};

/** A group without responses yet. */
export const createRoster = (reference: string | undefined, anchors: readonly Anchor[] = []): Roster => {
  const shared = { texts: [], items: [], members: [], ids: new Set<string>(), nodeOf: new Map<string, number>() };
  const referenceNode = reference === undefined ? null : addNode(shared, reference, { kind: "reference" });
  const placed = anchors.map(({ text, score }, index) => ({
    node: addNode(shared, text, { kind: "anchor", index }),
    score,
  }));
  return { ...shared, fixed: shared.texts.length, reference: referenceNode, anchors: placed };
};

/**
 * Adds a response; returns its node when it is a new text that has to be judged, else `null`. Copies and empty responses
 * take up no room.
 *
 * @throws {ConfigError} when the id is taken or there is no room.
 */
export const addMember = (
  roster: Roster,
  text: string,
  { id, capacity }: { readonly id: string | undefined; readonly capacity: number },
): number | null => {
  const index = roster.members.length;
  const name = id ?? String(index);
  if (roster.ids.has(name)) throw new ConfigError(`group response ${index}: expected a new id, got ${name} again`);
  const empty = text.trim() === "";
  const before = roster.texts.length;
  if (!empty && !roster.nodeOf.has(text) && before - roster.fixed >= capacity) {
    throw new ConfigError(`group size: expected ${capacity} different responses at most, got another`);
  }
  roster.ids.add(name);
  const node = empty ? null : addNode(roster, text, { kind: "response", index });
  roster.members.push({ id: name, node });
  return node !== null && node >= before ? node : null;
};
