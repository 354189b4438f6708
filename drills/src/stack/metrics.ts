/** One sample of a process's /metrics; the sum over all label sets that hold `labels`. Undefined if there is none. */
export async function readMetric(
  opsPort: number,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number | undefined> {
  const response = await fetch(`http://127.0.0.1:${opsPort}/metrics`, { signal: AbortSignal.timeout(5_000) });
  return sumOf(await response.text(), name, labels);
}

/** Prometheus text format 0.0.4, as far as our own exporter writes it. */
export function sumOf(text: string, name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  const samples = text.split("\n").flatMap((line) => {
    const found = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (found?.[1] !== name) return [];
    const given = (found[2] ?? "").split(",");
    return wanted.every((label) => given.includes(label)) ? [Number(found[3])] : [];
  });
  return samples.length === 0 ? undefined : samples.reduce((sum, value) => sum + value, 0);
}
