import type { DialTarget } from "@drawbridge/egress";
import { DrawbridgeError } from "@drawbridge/errors";

/**
 * `host:port` or `[v6]:port` as its parts.
 * @throws DrawbridgeError `ADDRESS_INVALID` (invalid_argument)
 */
export function parseHostPort(text: string): DialTarget {
  const match = /^(?<host>\[[0-9a-fA-F:]+\]|[^:\s/]+):(?<port>\d{1,5})$/.exec(text);
  const host = match?.groups?.["host"]?.replace(/^\[|\]$/g, "");
  const port = Number(match?.groups?.["port"]);
  if (host === undefined || port < 1 || port > 65_535) {
    throw new DrawbridgeError({
      kind: "invalid_argument",
      code: "ADDRESS_INVALID",
      message: `"${text}" is not host:port, for example "fabric.example.com:7420"`,
    });
  }
  return { host, port };
}
