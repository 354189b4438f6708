const bars = "▁▂▃▄▅▆▇█";

/**
 * Values over time as `width` bars from 0 to the largest; a space where nothing is known. Neighbours share a bar, which is
 * their mean.
 */
export function sparkline(values: readonly (number | null)[], width: number): string {
  const cells = Math.min(width, values.length);
  const means = Array.from({ length: cells }, (_cell, index) => {
    const from = Math.floor((index * values.length) / cells);
    const to = Math.floor(((index + 1) * values.length) / cells);
    return mean(values.slice(from, to));
  });
  const largest = Math.max(0, ...means.map((value) => value ?? 0));
  return means.map((value) => (value === null ? " " : barOf(value, largest))).join("");
}

/** Of what is known; null where nothing is. */
export function mean(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
}

function barOf(value: number, largest: number): string {
  const height = largest === 0 ? 0 : Math.round((value / largest) * (bars.length - 1));
  return bars[Math.min(bars.length - 1, Math.max(0, height))] ?? " ";
}
