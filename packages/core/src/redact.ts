/** Removes secrets from text that may end up in a log, an error or a report. */

const PATTERNS: readonly RegExp[] = [
  /\b(Bearer|Basic)\s+[\w.~+/=-]{4,}/gi, // authorization headers
  /\b(sk|pk|rk|hf|gsk|xai|AIza)[-_][\w-]{8,}/g, // provider keys by their usual prefixes
  /\bAIza[\w-]{20,}/g,
  /([?&](?:key|api_key|apikey|token|access_token)=)[^&\s"']+/gi, // keys in query strings
  /(\/\/[^/\s:@]*:)[^/\s@]+(?=@)/g, // passwords in URLs
];

const DATA_URI = /(data:[\w/+.-]+;base64,)[\w+/=]{32,}/g;

/** Replaces keys, passwords and long base64 payloads by a mark. Everything else is left as it is. */
export const redact = (text: string): string =>
  PATTERNS.reduce(
    (safe, pattern) => safe.replace(pattern, (match, lead: unknown) => replacement(match, lead)),
    text.replace(DATA_URI, "$1…"),
  );

const replacement = (match: string, lead: unknown): string => {
  if (typeof lead !== "string") return "[redacted]";
  return /^(bearer|basic)$/i.test(lead)
    ? `${lead} [redacted]`
    : match.startsWith(lead) && /[=:]$/.test(lead)
      ? `${lead}[redacted]`
      : "[redacted]";
};
