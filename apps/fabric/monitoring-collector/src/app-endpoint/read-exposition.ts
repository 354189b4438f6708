/** One line of a text that metrics are told in. */
export interface ExpositionSample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

export interface Exposition {
  /** "counter", "gauge" and so on, by name of the family. */
  readonly types: ReadonlyMap<string, string>;
  readonly samples: readonly ExpositionSample[];
}

/** What is longer is no line that anybody wants. */
const maxLineLength = 8_192;
const maxTypes = 5_000;
const maxSamples = 20_000;
const maxLabels = 64;

/**
 * Prometheus' text format 0.0.4 and OpenMetrics 1.0, of names that are wanted. The app that wrote the text is not trusted: a
 * line that is none is passed over, and the work grows with the length of the text alone. Times and exemplars are left out.
 */
export function readExposition(text: string, isWanted: (name: string) => boolean): Exposition {
  const types = new Map<string, string>();
  const samples: ExpositionSample[] = [];
  for (let at = 0; at < text.length && samples.length < maxSamples;) {
    const newline = text.indexOf("\n", at);
    const end = newline === -1 ? text.length : newline;
    if (end - at <= maxLineLength) readLine(text.slice(at, end));
    at = end + 1;
  }
  return { types, samples };

  function readLine(line: string): void {
    if (line.startsWith("#")) {
      const [, name, type] = /^#\s+TYPE\s+(\S+)\s+(\w+)/.exec(line) ?? [];
      if (name !== undefined && type !== undefined && types.size < maxTypes) types.set(name, type);
      return;
    }
    const [name] = /^[a-zA-Z_:][a-zA-Z0-9_:]*/.exec(line) ?? [];
    if (name === undefined || !isWanted(name)) return;
    const labelled = readLabels(line, name.length);
    if (labelled === undefined) return;
    const [, value] = /^\s+(\S+)/.exec(line.slice(labelled.end)) ?? [];
    if (value !== undefined) samples.push({ name, labels: labelled.labels, value: numberOf(value) });
  }
}

/** `undefined`: braces that do not close, or hold something else than labels. */
function readLabels(
  line: string,
  from: number,
): { readonly labels: Map<string, string>; readonly end: number } | undefined {
  const labels = new Map<string, string>();
  if (line[from] !== "{") return { labels, end: from };
  const label = /\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*,?/y;
  label.lastIndex = from + 1;
  let end = from + 1;
  while (labels.size < maxLabels) {
    const found = label.exec(line);
    if (found === null) break;
    labels.set(found[1] ?? "", unescaped(found[2] ?? ""));
    end = label.lastIndex;
  }
  while (line[end] === " ") end += 1;
  return line[end] === "}" ? { labels, end: end + 1 } : undefined;
}

function unescaped(text: string): string {
  return text.replaceAll(/\\(.)/g, (_, character: string) => (character === "n" ? "\n" : character));
}

function numberOf(text: string): number {
  if (/^\+?Inf$/i.test(text)) return Number.POSITIVE_INFINITY;
  return /^-Inf$/i.test(text) ? Number.NEGATIVE_INFINITY : Number(text);
}
