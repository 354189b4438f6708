const redacted = "[redacted]";

/** A rule: what a secret looks like, and what to leave of it. `$1` is what may stay. */
const rules: readonly (readonly [RegExp, string])[] = [
  // Activation and API tokens, whole or cut short; the prefix stays so that the reader knows what was there.
  [/\b((?:fat1|dbt1)\.)[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)*/g, `$1${redacted}`],
  // PEM private keys, also cut short, also inside a JSON string where line ends are written as \n.
  [/-----BEGIN ((?:[A-Z0-9]+ )*PRIVATE KEY)-----[\s\S]*?(?:-----END \1-----|(?=")|$)/g, redacted],
  // Authorization headers in running text.
  [/\b((?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{12,}/gi, `$1${redacted}`],
  // Passwords in URLs: postgres://user:password@host.
  [/\b([a-z][a-z0-9+.-]*:\/\/[^\s:/@"]*:)[^\s@/"]+(?=@)/gi, `$1${redacted}`],
  // JSON fields whose name says that the value is secret, at any depth, with any prefix ("csrf_token", "databasePassword").
  [
    /("[A-Za-z0-9_-]*(?:password|passwd|secret|authorization|cookie|private_?key(?:_?pem)?|key_?pem|api_?key|[a-z]_?token)"\s*:\s*)"(?:[^"\\]|\\.)*"/gi,
    `$1"${redacted}"`,
  ],
  [/("token"\s*:\s*)"(?:[^"\\]|\\.)*"/gi, `$1"${redacted}"`],
];

/**
 * Any of these must occur before one of the rules can match; saves six regular expressions on most lines. Each call's
 * record has a SPIFFE ID in it: of URLs only those with a second colon are looked at.
 */
const hint = /fat1\.|dbt1\.|PRIVATE KEY|bearer|basic|:\/\/[^\s:/@"]*:|passw|secret|authorization|cookie|key|token/i;

/**
 * Replace every known shape of secret in a text: activation and API tokens, PEM private keys, Authorization values,
 * passwords in URLs, and JSON string fields named like a secret. Used by the logger on every line it writes and by the
 * error serialiser; a last defence, not a licence to log secrets.
 */
export function redactSecrets(text: string): string {
  if (!hint.test(text)) return text;
  let result = text;
  for (const [pattern, replacement] of rules) result = result.replace(pattern, replacement);
  return result;
}
