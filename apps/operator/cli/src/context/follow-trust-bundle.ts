import { isDrawbridgeError } from "@drawbridge/errors";
import { parseTrustBundleJson } from "@drawbridge/pki";
import type { ApiClient } from "../api/client.ts";
import type { Context, ContextFile } from "./context-file.ts";

/**
 * Keep the trust bundle of this login current, so that a rotation of the root does not end it: the control plane tells with
 * every answer which bundle is current, and a newer one is asked for over a connection that the present one vouches for.
 * Who does not call during a whole rotation logs in anew. What fails here does not fail the command.
 */
export async function followTrustBundle(
  { contextFile }: { readonly contextFile: ContextFile },
  api: ApiClient,
  context: Context,
): Promise<Context> {
  const current = api.trustBundleSequence();
  const kept = parseTrustBundleJson(context.trustBundle);
  if (current === undefined || BigInt(current) <= kept.sequence) return context;
  try {
    const response = await api.open("/v1/trust-bundle", {});
    const text = await response.body.text();
    const offered = parseTrustBundleJson(text);
    if (offered.sequence <= kept.sequence || offered.trustDomain !== kept.trustDomain) return context;
    api.trust(text);
    const stored = await contextFile.read();
    // Logged out, or logged in elsewhere, in between.
    if (stored?.url !== context.url || stored.token !== context.token) return context;
    const next = { ...context, trustBundle: text };
    await contextFile.write(next);
    return next;
  } catch (error) {
    if (isDrawbridgeError(error)) return context; // the next command tries again
    throw error;
  }
}
