import { DrawbridgeError } from "@drawbridge/errors";

/** JetStream as we use it. */
const oldestVersion = { major: 2, minor: 9 };
/** `sync_interval: always`. */
const durableVersion = { major: 2, minor: 10 };

export interface ServerVersion {
  readonly text: string;
  readonly major: number;
  readonly minor: number;
}

export function parseServerVersion(text: string): ServerVersion {
  const [major = 0, minor = 0] = text.split(".").map((part) => Number.parseInt(part, 10) || 0);
  return { text, major, minor };
}

export function isAtLeast(
  version: ServerVersion,
  minimum: { readonly major: number; readonly minor: number },
): boolean {
  return version.major > minimum.major || (version.major === minimum.major && version.minor >= minimum.minor);
}

/** Whether the server can write each message to disk before it acknowledges it. */
export function canBeDurable(version: ServerVersion): boolean {
  return isAtLeast(version, durableVersion);
}

/**
 * @throws DrawbridgeError `BUS_SERVER_TOO_OLD` (failed_precondition)
 */
export function assertServerVersion(version: ServerVersion, requirement: "durable" | "any"): void {
  const minimum = requirement === "durable" ? durableVersion : oldestVersion;
  if (isAtLeast(version, minimum)) return;
  throw new DrawbridgeError({
    kind: "failed_precondition",
    code: "BUS_SERVER_TOO_OLD",
    message: `the NATS server is ${version.text}; ${minimum.major}.${minimum.minor} or later is needed`,
    details: { version: version.text },
  });
}
