import type { MaskPoint } from "./mask-rules.ts";
import { holdsSecret, maskedText, redactedText, toldName } from "./mask-values.ts";

export interface MaskedJson {
  readonly json: string;
  /** Paths of leaves that are told as they came; sorted, each once. */
  readonly revealed: readonly string[];
}

const deepest = 32;
const mostElements = 50;
const mostMembers = 500;

/** JSON of the same shape, its leaves masked but for what is revealed. What lies deeper than 32 levels is told by its type. */
export function maskJson(value: unknown, point: MaskPoint): MaskedJson {
  const revealed = new Set<string>();
  const json = written({ value, point, path: "$", depth: 0 }, revealed);
  return { json, revealed: [...revealed].toSorted() };
}

interface Node {
  readonly value: unknown;
  readonly point: MaskPoint;
  readonly path: string;
  readonly depth: number;
}

function written({ value, point, path, depth }: Node, revealed: Set<string>): string {
  if (point.isRedacted) return JSON.stringify(redactedText);
  if (Array.isArray(value)) {
    if (depth === deepest) return '"array"';
    const each = point.element();
    const below = value.slice(0, mostElements).map((element: unknown) => {
      return written({ value: element, point: each, path: `${path}[*]`, depth: depth + 1 }, revealed);
    });
    if (value.length > mostElements) below.push(`"${value.length - mostElements} more"`);
    return `[${below.join(",")}]`;
  }
  if (typeof value === "object" && value !== null) {
    if (depth === deepest) return '"object"';
    const members = Object.entries(value);
    const below = members.slice(0, mostMembers).map(([name, member]: [string, unknown]) => {
      const told = point.isNamed(name) ? name : toldName(name);
      const node = { value: member, point: point.member(name), path: `${path}.${told}`, depth: depth + 1 };
      return `${JSON.stringify(told)}:${written(node, revealed)}`;
    });
    if (members.length > mostMembers) below.push(`"...":"${members.length - mostMembers} more"`);
    return `{${below.join(",")}}`;
  }
  if (point.isRevealed && !holdsSecret(String(value))) {
    revealed.add(path);
    return JSON.stringify(value);
  }
  return JSON.stringify(typeof value === "string" ? maskedText(value) : value === null ? "null" : typeof value);
}
