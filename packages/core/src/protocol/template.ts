/** Fills named placeholders in one pass, so that a value is never searched for placeholders or patterns. */
import { ConfigError } from "../errors.ts";

type Segment = { readonly literal: string } | { readonly name: string };

/** A template that was checked: give it the values, get the text. */
export type Template<Name extends string> = (values: Readonly<Record<Name, string>>) => string;

/** Where the next of the placeholders begins, and which it is. */
const nextPlaceholder = (template: string, names: readonly string[], from: number) => {
  for (let at = template.indexOf("{", from); at >= 0; at = template.indexOf("{", at + 1)) {
    const name = names.find((n) => template.startsWith(`${n}}`, at + 1));
    if (name !== undefined) return { at, name };
  }
  return undefined;
};

const split = (template: string, names: readonly string[]): readonly Segment[] => {
  const segments: Segment[] = [];
  let from = 0;
  for (;;) {
    const next = nextPlaceholder(template, names, from);
    segments.push({ literal: template.slice(from, next?.at) });
    if (next === undefined) return segments;
    segments.push({ name: next.name });
    from = next.at + next.name.length + 2;
  }
};

/**
 * Checks a template with placeholders such as `{question}` and returns the function that fills it. Braces that hold no
 * known name are literal text, in the template as in the values; a placeholder may occur more than once.
 *
 * @throws ConfigError when a placeholder is missing.
 */
export const compileTemplate = <Name extends string>(template: string, names: readonly Name[]): Template<Name> => {
  const segments = split(template, names);
  for (const name of names) {
    if (segments.some((segment) => "name" in segment && segment.name === name)) continue;
    throw new ConfigError(`template: expected the placeholder {${name}}, got none`);
  }
  return (values) =>
    segments.map((segment) => ("literal" in segment ? segment.literal : values[segment.name as Name])).join("");
};
