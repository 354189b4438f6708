import { readFile, realpath } from "node:fs/promises";
import { join } from "node:path";
import { clientTlsOptions, type IdentitySnapshot, parseTrustBundleJson, validateIdentity } from "@drawbridge/pki";
import type { ConnectionOptions } from "node:tls";

/** What lies in an agent's state folder now: of the agent itself, or of its monitoring collector. */
export async function readFabricIdentity(
  stateDir: string,
  use: "identity" | "monitoring" = "identity",
): Promise<IdentitySnapshot> {
  const folder = await realpath(join(stateDir, use, "current")); // once: the link may be switched meanwhile
  const [certificateChainPem, privateKeyPem, bundle] = await Promise.all([
    readFile(join(folder, "tls.crt"), "utf8"),
    readFile(join(folder, "tls.key"), "utf8"),
    readFile(join(stateDir, "trust", "bundle.json"), "utf8"),
  ]);
  const material = { certificateChainPem, privateKeyPem, trustBundle: parseTrustBundleJson(bundle) };
  return validateIdentity(material, new Date());
}

/** For HTTPS with that certificate. */
export function tlsOf(identity: IdentitySnapshot, server: string): ConnectionOptions {
  return clientTlsOptions(identity, { expectedServer: `/cp/${server}`, alpnProtocols: ["http/1.1"] });
}
