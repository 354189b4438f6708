import { DrawbridgeError } from "@drawbridge/errors";
import type { HttpProxy } from "./dial.ts";

/**
 * `http://[user:password@]host:port`, as in HTTPS_PROXY.
 * @throws DrawbridgeError `PROXY_INVALID` (invalid_argument); the message never holds the password
 */
export function parseProxy(text: string): HttpProxy {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (
    url === undefined ||
    url.protocol !== "http:" ||
    url.hostname === "" ||
    (url.pathname !== "/" && url.pathname !== "")
  ) {
    throw new DrawbridgeError({
      kind: "invalid_argument",
      code: "PROXY_INVALID",
      message: "the proxy must be http://[user:password@]host:port",
    });
  }
  const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? 80 : Number(url.port),
    ...(credentials === ":" ? {} : { credentials }),
  };
}
