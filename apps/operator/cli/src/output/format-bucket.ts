/** Begin of a bucket, as short as its width allows: "2026-03-29", "2026-03-29 14:00 GMT+2". Months are "2026-03". */
export function formatBucket(instant: string, width: string, timeZone: string): string {
  const at = new Date(instant);
  const [day] = parts(at, timeZone);
  switch (width) {
    case "month":
      return day.slice(0, 7);
    case "week":
    case "day":
      return day;
    default: {
      const [, time, zone] = parts(at, timeZone);
      return `${day} ${time} ${zone}`;
    }
  }
}

function parts(at: Date, timeZone: string): readonly [string, string, string] {
  const format = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "short", timeZone });
  const [day = "", time = ""] = format.format(at).split(" ");
  const zone = new Intl.DateTimeFormat("en", { timeZoneName: "short", timeZone })
    .formatToParts(at)
    .find(({ type }) => type === "timeZoneName")?.value;
  return [day, time, zone ?? ""];
}
