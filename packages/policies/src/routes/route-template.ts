import { commonRouteWords } from "./route-words.ts";

/** What a segment that is no word becomes. */
export const routePlaceholder = "{}";
export const routeMethods: ReadonlySet<string> = new Set(["GET", "POST", "PUT", "PATCH", "DELETE"]);

const longestSegment = 32;
const deepestPath = 12;
/** "order-items", "orderItems", "order_items". */
const mostParts = 4;
const versionPattern = /^v\d{1,2}(?:\.\d{1,2})?$/;
const suffixPattern = /\.(?:json|xml|csv|html|pdf|txt|yaml|zip)$/;
const separator = /[-_]|(?<=[a-z])(?=[A-Z])/;
const partPattern = /^[A-Z]?[a-z]+$/;

/**
 * What of a path may be told: segments that are made of known words, versions ("v2") and nothing else; all others become
 * "{}". Whether a segment is kept follows from the segment alone and not from how often or by whom it was asked for, so that
 * no traffic, however common, makes a name, a number or a token be told.
 * @param path below the base path, without query
 * @param words besides the common ones, lower case
 * @returns undefined for a path that stands for no route: deeper than 12 segments, or with an empty segment
 */
export function routeTemplate(path: string, words: ReadonlySet<string>): string | undefined {
  if (!path.startsWith("/")) return undefined;
  const trimmed = path.endsWith("/") ? path.slice(1, -1) : path.slice(1);
  if (trimmed === "") return path === "/" ? "/" : undefined;
  const segments = trimmed.split("/", deepestPath + 1);
  if (segments.length > deepestPath || segments.includes("")) return undefined;
  return `/${segments.map((segment) => (isRouteWord(segment, words) ? segment : routePlaceholder)).join("/")}`;
}

/** Whether this is what `routeTemplate` may answer: for whoever is told templates by somebody else. */
export function isRouteTemplate(template: string, words: ReadonlySet<string>): boolean {
  return template.length <= deepestPath * (longestSegment + 1) && routeTemplate(template, words) === template;
}

/** As a URI template, variables named by their place: "/orders/{}" is "/orders/{p2}". */
export function uriTemplateOfRoute(template: string): string {
  return template
    .split("/")
    .map((segment, place) => (segment === routePlaceholder ? `{p${place}}` : segment))
    .join("/");
}

function isRouteWord(segment: string, words: ReadonlySet<string>): boolean {
  if (segment.length > longestSegment) return false;
  if (versionPattern.test(segment)) return true;
  const parts = segment.replace(suffixPattern, "").split(separator);
  return (
    parts.length <= mostParts && parts.every((part) => partPattern.test(part) && isWord(part.toLowerCase(), words))
  );
}

function isWord(part: string, words: ReadonlySet<string>): boolean {
  return singularsOf(part).some((word) => commonRouteWords.has(word) || words.has(word));
}

function singularsOf(part: string): readonly string[] {
  if (!part.endsWith("s")) return [part];
  if (part.endsWith("ies")) return [part, part.slice(0, -1), `${part.slice(0, -3)}y`];
  return part.endsWith("es") ? [part, part.slice(0, -1), part.slice(0, -2)] : [part, part.slice(0, -1)];
}
