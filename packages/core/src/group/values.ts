/**
 * Strengths → rewards.
 *
 * A response's value is its expected wins minus losses against a sibling drawn at random, as the fit sees it and with
 * the order bias taken out:   v_i = Σ_{j≠i} tanh((θ_i − θ_j)/2) / (N − 1),   since P(win) − P(loss) = 2σ(d) − 1 = tanh(d/2).
 *
 * It was chosen over the bare strength because it lies in [−1, 1] whatever the prior, has sum 0 over the group exactly
 * (every pair adds d and −d), is exactly 0 without information, and means the same in a group of 4 and in one of 16.
 */

/** What is known about a response before values are made. */
export type Standing =
  | { readonly kind: "judged"; readonly strength: number }
  /** Nothing but white space: loses to every response that says something, by rule. */
  | { readonly kind: "empty" }
  /** No comparison of it came back with a verdict. */
  | { readonly kind: "unknown" };

/** Expected wins minus losses of a against b: antisymmetric, in [−1, 1]. */
const edge = (a: Standing, b: Standing): number => {
  if (a.kind === "judged" && b.kind === "judged") return Math.tanh((a.strength - b.strength) / 2);
  if (a.kind === b.kind) return 0;
  return a.kind === "empty" ? -1 : 1;
};

/**
 * Values `[N]` with sum 0. `null` for a response of which nothing is known, and for the only one that something is
 * known of: alone it cannot be better or worse than its siblings.
 */
export const winsMinusLosses = (standings: readonly Standing[]): readonly (number | null)[] => {
  const told = standings.filter(({ kind }) => kind !== "unknown");
  return standings.map((one) => {
    if (one.kind === "unknown" || told.length < 2) return null;
    return told.reduce((sum, other) => sum + edge(one, other), 0) / (told.length - 1);
  });
};

/** An anchor's strength in the fit and its score on the absolute scale. */
export interface PlacedAnchor {
  readonly strength: number;
  readonly score: number;
}

/**
 * Expected wins minus losses against an answer of score 0, from anchors of known scores: tanh((θ + c)/2), with c the
 * mean over the anchors of 2·artanh(score) − θ. With one anchor of score 0 it is the comparison with that anchor.
 */
export const absoluteValue = (strength: number, anchors: readonly PlacedAnchor[]): number | null => {
  if (anchors.length === 0) return null;
  const shift = anchors.reduce((sum, { strength: at, score }) => sum + 2 * Math.atanh(score) - at, 0);
  return Math.tanh((strength + shift / anchors.length) / 2);
};

/** Turns a group's values into others: gets the values that are known, in order, and returns as many. */
export type Normalise = (values: readonly number[]) => readonly number[];

/** Scales a group so that its largest absolute value is 1; a group without differences stays 0. */
export const unitNormalise: Normalise = (values) => {
  const largest = Math.max(0, ...values.map(Math.abs));
  return largest === 0 ? values : values.map((value) => value / largest);
};

/** Ranks from −1 to 1 in equal steps, equal values sharing the mean of their ranks: only the order counts. */
export const rankNormalise: Normalise = (values) =>
  values.map((value) => {
    const below = values.filter((other) => other < value).length;
    const above = values.filter((other) => other > value).length;
    return values.length < 2 ? 0 : (below - above) / (values.length - 1);
  });
