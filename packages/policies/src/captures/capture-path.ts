import { plainName } from "./withheld-names.ts";

export type CaptureStep =
  /** A member of an object. */
  | { readonly step: "name"; readonly name: string }
  /** Every member of an object. */
  | { readonly step: "any" }
  /** Every element of an array. */
  | { readonly step: "each" };

/** Where a value of an exchange stands. */
export type CapturePath =
  /** Of a body, JSON or form: the same path in the request's and in the answer's. */
  | { readonly place: "body"; readonly steps: readonly CaptureStep[] }
  /** Of a head, lower case: the same name in the request's and in the answer's. */
  | { readonly place: "header"; readonly name: string }
  | { readonly place: "query"; readonly name: string };

/** What is left out. */
export type RedactRule =
  | CapturePath
  /** A name as `plainName` makes it, wherever it stands. */
  | { readonly place: "anywhere"; readonly name: string };

const longestPath = 256;
const mostSteps = 32;
const stepPattern = /\.(?<name>[\p{L}\p{N}_$@:-]+)|\["(?<quoted>[^"\\\p{C}]+)"\]|(?<any>\.\*)|(?<each>\[\*\])/uy;
const fieldPattern = /^(?<place>header|query)\.(?<name>[^\s\p{C}]+)$/u;
const barePattern = /^[\p{L}\p{N}_@:-]+$/u;

/** "$.order.items[*].sku", "$.labels[\"a b\"].*", "header.content-type", "query.page"; `undefined`: none of them. */
export function parseCapturePath(text: string): CapturePath | undefined {
  if (text.length > longestPath) return undefined;
  const { place, name } = fieldPattern.exec(text)?.groups ?? {};
  if (name !== undefined) return place === "header" ? { place, name: name.toLowerCase() } : { place: "query", name };
  if (!text.startsWith("$")) return undefined;
  const steps: CaptureStep[] = [];
  let at = 1;
  while (at < text.length) {
    stepPattern.lastIndex = at;
    const { name, quoted, any } = stepPattern.exec(text)?.groups ?? {};
    if (stepPattern.lastIndex === 0 || steps.length === mostSteps) return undefined;
    const member = name ?? quoted;
    if (member !== undefined) steps.push({ step: "name", name: member });
    else steps.push({ step: any === undefined ? "each" : "any" });
    at = stepPattern.lastIndex;
  }
  return { place: "body", steps };
}

/** A path, or a name alone: "email". */
export function parseRedactRule(text: string): RedactRule | undefined {
  if (text.length <= longestPath && barePattern.test(text)) return { place: "anywhere", name: plainName(text) };
  return parseCapturePath(text);
}
