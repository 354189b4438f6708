import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { TestStack } from "@drawbridge/local/testing";
import { clientTlsOptions, parseTrustBundleJson } from "@drawbridge/pki";
import { tlsRequest } from "./tls-request.ts";

interface Login {
  readonly url: string;
  readonly token: string;
  readonly trustBundle: string;
}

/** A request to management-api on a connection of its own, with the login and the trust bundle that the CLI has now. */
export async function rest<T>(
  stack: TestStack,
  path: string,
  options: { readonly method?: string; readonly body?: unknown } = {},
): Promise<T> {
  const login = JSON.parse(await readFile(join(stack.stack.layout.cli, "context.json"), "utf8")) as Login;
  const trustBundle = parseTrustBundleJson(login.trustBundle);
  const tls = clientTlsOptions({ trustBundle }, { expectedServer: "/cp/management-api", alpnProtocols: ["http/1.1"] });
  const { status, body } = await tlsRequest(tls, {
    url: `${login.url}${path}`,
    headers: { authorization: `Bearer ${login.token}`, "idempotency-key": randomUUID() },
    ...options,
  });
  if (status >= 300) throw new Error(`${options.method ?? "GET"} ${path}: ${status} ${body}`);
  return JSON.parse(body) as T;
}

/** As far as drills look at it. */
export interface ShownFabric {
  readonly fabricId: string;
  readonly state: string;
  readonly agentId: string;
  readonly certificateSerial: string;
  readonly certificateNotAfter: string | null;
  readonly clockSkewMs: number;
  readonly alerts: readonly { readonly reason: string; readonly message: string }[];
}

export const showFabric = (stack: TestStack, fabric: string): Promise<ShownFabric> =>
  rest(stack, `/v1/fabrics/${fabric}`);

/** As far as drills look at it. */
export interface ShownCertificate {
  readonly serialNumber: string;
  readonly kind: string;
  readonly fabric: string | null;
  readonly state: string;
  readonly activatedAt: string | null;
  readonly notAfter: string;
  readonly revokedAt: string | null;
  readonly revocationReason: string;
  readonly fingerprintSha256: string;
  readonly spiffeId: string;
}

/** Newest first, expired ones too. */
export async function listCertificates(stack: TestStack, fabric?: string): Promise<readonly ShownCertificate[]> {
  const of = fabric === undefined ? "" : `&fabric=${fabric}`;
  const { items } = await rest<{ items: readonly ShownCertificate[] }>(
    stack,
    `/v1/certificates?all=true&limit=500${of}`,
  );
  return items;
}

/** As far as drills look at it. */
export interface ShownAuthority {
  readonly phase: string;
  readonly trustBundleSequence: number;
  readonly roots: number;
  readonly keys: readonly {
    readonly id: string;
    readonly kind: "root" | "issuing";
    readonly state: string;
    readonly serialNumber: string;
  }[];
  readonly waitingFor: number;
  readonly followers: readonly {
    readonly kind: string;
    readonly name: string;
    readonly missing: readonly string[];
    readonly live: boolean;
  }[];
}

export const showAuthority = (stack: TestStack): Promise<ShownAuthority> => rest(stack, "/v1/ca");
