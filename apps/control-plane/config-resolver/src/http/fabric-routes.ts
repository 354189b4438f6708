import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import { httpContext } from "@drawbridge/rpc";
import { field, type Logger } from "@drawbridge/telemetry";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { FileBlobStore } from "../blobs/file-blob-store.ts";
import { parseArtefactDigest, type ArtefactDigest } from "../domain/artefact-digest.ts";
import type { Entitlement } from "../domain/entitlement.ts";
import { matchesNone } from "../domain/byte-range.ts";
import type { RefusalAudit } from "../store/refusal-audit.ts";
import { sendBlob } from "./send-blob.ts";
import type { TransferMetrics } from "./transfer-metrics.ts";

export interface FabricRoutesDeps {
  readonly entitlement: Entitlement;
  readonly refusals: RefusalAudit;
  readonly blobs: Pick<FileBlobStore, "open">;
  /** The document in the clear; undefined if there is none under this digest. */
  readonly readConfiguration: (digest: ArtefactDigest) => Promise<Buffer | undefined>;
  readonly transfers: TransferMetrics;
  readonly clock: Pick<Clock, "now">;
  readonly logger: Logger;
  readonly idleMs: number;
}

/** What a fabric fetches (MGT 2). Whether something exists is told only to a fabric that may have it. */
export function registerFabricRoutes(app: FastifyInstance, deps: FabricRoutesDeps): void {
  app.route({
    method: ["GET", "HEAD"],
    url: "/v1/bundles/:digest",
    handler: async (request: FastifyRequest<{ Params: { digest: string } }>, reply) => {
      const digest = parseArtefactDigest(request.params.digest);
      await assertEntitled(deps, request, digest);
      const blob = await deps.blobs.open(digest);
      if (blob === undefined) throw notFound("BUNDLE_NOT_FOUND", "bundle", digest);
      return sendBlob({ request, reply, blob, digest, transfers: deps.transfers, idleMs: deps.idleMs });
    },
  });
  app.route({
    method: ["GET", "HEAD"],
    url: "/v1/configurations/:digest",
    handler: async (request: FastifyRequest<{ Params: { digest: string } }>, reply) => {
      const digest = parseArtefactDigest(request.params.digest);
      await assertEntitled(deps, request, digest);
      return sendConfiguration(deps, { request, reply, digest });
    },
  });
}

async function sendConfiguration(
  { readConfiguration, transfers }: FabricRoutesDeps,
  {
    request,
    reply,
    digest,
  }: { readonly request: FastifyRequest; readonly reply: FastifyReply; readonly digest: ArtefactDigest },
): Promise<FastifyReply> {
  const etag = `"${digest}"`;
  const document = await readConfiguration(digest);
  if (document === undefined) throw notFound("CONFIGURATION_NOT_FOUND", "configuration", digest);
  void reply.headers({ etag, "content-type": "application/json; charset=utf-8" });
  if (matchesNone(request.headers["if-none-match"], etag)) return reply.code(304).send();
  void reply.header("content-length", document.byteLength);
  if (request.method === "HEAD") return reply.send();
  transfers.downloaded("configuration", "complete", document.byteLength);
  return reply.send(document);
}

/** @throws DrawbridgeError `ARTEFACT_NOT_ENTITLED` | `AGENT_LOCKED` (permission_denied), and what the question throws (unavailable) */
async function assertEntitled(deps: FabricRoutesDeps, request: FastifyRequest, digest: ArtefactDigest): Promise<void> {
  const { peer, remoteAddress } = httpContext(request);
  const fabricId = peer && peer.identity.kind !== "service" ? peer.identity.fabricId : undefined;
  if (peer === undefined || fabricId === undefined) throw notEntitled(digest);
  const agentId = peer.identity.kind === "agent" ? peer.identity.agentId : "";
  if (await deps.entitlement.isEntitled({ fabricId, agentId, digest }, request.signal)) return;
  const refusal = { fabricId, spiffeId: peer.spiffeId, digest, remoteAddress, occurredAt: deps.clock.now() };
  await deps.refusals.record(refusal).catch((error: unknown) => {
    // Refused it is in any case; that nobody will hear of it is for the log.
    deps.logger.error({ err: error, [field.fabricId]: fabricId }, "refusal could not be recorded");
  });
  throw notEntitled(digest);
}

function notEntitled(digest: ArtefactDigest): DrawbridgeError {
  return new DrawbridgeError({
    kind: "permission_denied",
    code: "ARTEFACT_NOT_ENTITLED",
    message: "this is not deployed to the fabric that asks for it",
    details: { digest },
  });
}

function notFound(code: string, what: string, digest: ArtefactDigest): DrawbridgeError {
  return new DrawbridgeError({
    kind: "not_found",
    code,
    message: `there is no ${what} ${digest}`,
    details: { digest },
  });
}
