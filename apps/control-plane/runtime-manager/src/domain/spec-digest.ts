import { createHash } from "node:crypto";
import type { AppWish, ArtefactRef } from "./app.ts";

type Json = string | number | boolean | readonly Json[] | { readonly [key: string]: Json };

/** JSON with object keys in code-unit order and no white space, as RFC 8785 asks (our values need none of its number rules). */
export function canonicalJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map((item: Json) => canonicalJson(item)).join(",")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
  return `{${members.join(",")}}`;
}

export function sha256Digest(text: string | Uint8Array): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

function artefactJson(artefact: ArtefactRef): Json {
  return withoutDefaults({ digest: artefact.digest, sizeBytes: String(artefact.sizeBytes), path: artefact.path });
}

/** Protobuf JSON leaves out fields that hold their default. */
function withoutDefaults(fields: Record<string, Json | undefined>): Json {
  const kept: Record<string, Json> = {};
  for (const [key, value] of Object.entries(fields)) {
    if (value !== undefined && value !== "" && value !== 0 && value !== "0") kept[key] = value;
  }
  return kept;
}

/**
 * SHA-256 over the canonical protobuf JSON of drawbridge.runtime.v1.AppSpec without spec_digest and traceparent.
 * Written once with the change that made the generation, so that an upgrade of this code never looks like a new wish.
 */
export function specDigest(wish: AppWish): string {
  return sha256Digest(
    canonicalJson(
      withoutDefaults({
        appId: wish.appId,
        name: wish.name,
        environment: wish.environment,
        generation: String(wish.generation),
        revision: String(wish.revision),
        version: wish.version,
        desiredState: wish.desiredState === "running" ? "DESIRED_STATE_RUNNING" : "DESIRED_STATE_STOPPED",
        replicas: wish.replicas,
        restartNonce: wish.restartNonce,
        bundle: artefactJson(wish.bundle),
        configuration: wish.configuration === undefined ? undefined : artefactJson(wish.configuration),
        publicPort: wish.publicPort,
        strategy: withoutDefaults({ ...wish.strategy }),
        routes: wish.routes.length === 0 ? undefined : wish.routes.map(({ host, path }) => ({ host, path })),
      }),
    ),
  );
}
