import { DrawbridgeError } from "@drawbridge/errors";
import { z } from "zod";

/** What a collector says of itself. */
export interface CheckIn {
  readonly version: string;
  /** New with each start of the collector. */
  readonly bootId: string;
  /** Its clock. */
  readonly time: Date;
}

const schema = z.strictObject({
  version: z.string().regex(/^[0-9A-Za-z.+_-]{1,64}$/, "must be 1 to 64 letters, digits, or . + _ -"),
  bootId: z.uuid("must be a UUID"),
  time: z.iso.datetime({ error: "must be an RFC 3339 time in UTC" }).max(40),
});

/** @throws DrawbridgeError `CHECK_IN_INVALID` (invalid_argument) that names the field at fault */
export function parseCheckIn(body: unknown): CheckIn {
  const parsed = schema.safeParse(body);
  if (parsed.success) return { ...parsed.data, time: new Date(parsed.data.time) };
  const [issue] = parsed.error.issues;
  const name = issue?.path.join(".") ?? "";
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "CHECK_IN_INVALID",
    message: `the check-in must be {version, bootId, time} and nothing else${name === "" ? "" : `: ${name} ${issue?.message ?? ""}`}`,
  });
}

/** The collector's clock minus ours, milliseconds. */
export function clockSkewMs(checkIn: Pick<CheckIn, "time">, now: Date): number {
  return checkIn.time.getTime() - now.getTime();
}
