import { z } from "zod";
import type { HttpProxy } from "./dial.ts";

/** Setting with the owner's proxy, `http://[user:password@]host:port` as in HTTPS_PROXY; what is wrong never holds the password. */
export const proxyAddress = () =>
  z.string().transform((text, context): HttpProxy => {
    const proxy = parseProxy(text);
    if (proxy !== undefined) return proxy;
    context.addIssue({ code: "custom", message: "the proxy must be http://[user:password@]host:port" });
    return z.NEVER;
  });

function parseProxy(text: string): HttpProxy | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== "http:" || url.hostname === "" || (url.pathname !== "/" && url.pathname !== ""))
    return undefined;
  const user = decoded(url.username);
  const password = decoded(url.password);
  if (user === undefined || password === undefined) return undefined;
  return {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? 80 : Number(url.port),
    ...(user === "" && password === "" ? {} : { credentials: `${user}:${password}` }),
  };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
