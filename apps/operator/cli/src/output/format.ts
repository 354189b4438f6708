// How numbers and times look to a person. `-o json` never passes here.

const units = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** 1536 -> "1.5 KiB". Powers of 1024 (IEC 80000-13). */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** An instant in the machine's own zone, with the zone: "2026-11-21 23:15:04 UTC". "-" for none. */
export function formatTime(instant: string | Date | null | undefined, timeZone?: string): string {
  if (instant === null || instant === undefined) return "-";
  const date = typeof instant === "string" ? new Date(instant) : instant;
  if (Number.isNaN(date.getTime())) return "-";
  const format = new Intl.DateTimeFormat("sv-SE", {
    dateStyle: "short",
    timeStyle: "medium",
    ...(timeZone === undefined ? {} : { timeZone }),
  });
  const zone = new Intl.DateTimeFormat("en", { timeZoneName: "short", ...(timeZone === undefined ? {} : { timeZone }) })
    .formatToParts(date)
    .find((part) => part.type === "timeZoneName")?.value;
  return `${format.format(date)} ${zone ?? ""}`.trimEnd();
}

/** Whole units, the largest two: "3 d 4 h", "12 s". */
export function formatDuration(ms: number): string {
  const steps = [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["min", 60_000],
    ["s", 1000],
  ] as const;
  const parts: string[] = [];
  let left = Math.abs(ms);
  for (const [unit, sizeMs] of steps) {
    const count = Math.floor(left / sizeMs);
    if (count === 0 && parts.length > 0) break;
    if (count === 0) continue;
    left -= count * sizeMs;
    parts.push(`${count} ${unit}`);
    if (parts.length === 2) break;
  }
  return parts.length === 0 ? `${Math.round(left)} ms` : parts.join(" ");
}

/** "sha256:0123456789ab…" for tables. */
export function shortDigest(digest: string): string {
  return digest.length > 19 ? `${digest.slice(0, 19)}…` : digest;
}
