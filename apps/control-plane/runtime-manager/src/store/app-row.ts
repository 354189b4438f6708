import type { Insertable, Selectable } from "kysely";
import type { AppLife, AppRecord, ArtefactRef, Revision } from "../domain/app.ts";
import { appId, fabricId, type AppId } from "../domain/ids.ts";
import type { AppTable, ArtefactJson, RevisionTable } from "./schema.ts";

export function artefactFromJson(json: ArtefactJson): ArtefactRef {
  return { digest: json.digest, sizeBytes: BigInt(json.sizeBytes), path: json.path };
}

function artefactToJson(artefact: ArtefactRef): string {
  const json: ArtefactJson = { digest: artefact.digest, sizeBytes: String(artefact.sizeBytes), path: artefact.path };
  return JSON.stringify(json);
}

/** A row of `app`, with what is set for its environment and its fabric. */
export type AppRow = Selectable<AppTable> & {
  readonly environment_gatekeeper: string;
  readonly fabric_gatekeeper: string;
};

export function appFromRow(row: AppRow): AppRecord {
  return {
    spec: {
      appId: appId(row.app_id),
      name: row.name,
      environment: row.environment,
      generation: BigInt(row.generation),
      revision: BigInt(row.revision),
      version: row.version,
      desiredState: row.desired_state,
      replicas: row.replicas,
      restartNonce: row.restart_nonce,
      bundle: artefactFromJson(row.bundle),
      configuration: row.configuration === null ? undefined : artefactFromJson(row.configuration),
      publicPort: row.public_port,
      routes: row.routes,
      strategy: {
        maxSurge: row.strategy.maxSurge,
        readyTimeoutSeconds: row.strategy.readyTimeoutSeconds,
        drainTimeoutSeconds: row.strategy.drainTimeoutSeconds,
      },
      specDigest: row.spec_digest,
      traceparent: row.traceparent,
    },
    org: row.org,
    fabricId: fabricId(row.fabric_id),
    manifestJson: row.manifest_json,
    gatekeeper: {
      app: row.gatekeeper,
      environment: row.environment_gatekeeper,
      fabric: row.fabric_gatekeeper,
    },
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    life: lifeFromRow(row),
  };
}

function lifeFromRow(row: Selectable<AppTable>): AppLife {
  if (row.deleted_at === null) return { state: "live" };
  return { state: "deleting", deletedAt: row.deleted_at, requestId: row.delete_request_id };
}

export function appToRow({ spec, life, gatekeeper, ...app }: AppRecord): Insertable<AppTable> {
  return {
    app_id: spec.appId,
    fabric_id: app.fabricId,
    org: app.org,
    environment: spec.environment,
    name: spec.name,
    generation: spec.generation,
    revision: spec.revision,
    version: spec.version,
    desired_state: spec.desiredState,
    replicas: spec.replicas,
    restart_nonce: spec.restartNonce,
    bundle: artefactToJson(spec.bundle),
    configuration: spec.configuration === undefined ? null : artefactToJson(spec.configuration),
    public_port: spec.publicPort,
    strategy: JSON.stringify(spec.strategy),
    spec_digest: spec.specDigest,
    traceparent: spec.traceparent,
    manifest_json: app.manifestJson,
    gatekeeper: gatekeeper.app,
    routes: JSON.stringify(spec.routes),
    created_at: app.createdAt,
    updated_at: app.updatedAt,
    deleted_at: life.state === "deleting" ? life.deletedAt : null,
    delete_request_id: life.state === "deleting" ? life.requestId : "",
  };
}

export function revisionFromRow(row: Selectable<RevisionTable>): Revision {
  return {
    revision: BigInt(row.revision),
    version: row.version,
    bundle: artefactFromJson(row.bundle),
    configuration: row.configuration === null ? undefined : artefactFromJson(row.configuration),
    manifestJson: row.manifest_json,
    createdAt: row.created_at,
    requestedBy: row.requested_by,
    cause: row.cause,
    servedAt: row.served_at ?? undefined,
  };
}

export function revisionToRow(id: AppId, revision: Revision): Insertable<RevisionTable> {
  return {
    app_id: id,
    revision: revision.revision,
    version: revision.version,
    bundle: artefactToJson(revision.bundle),
    configuration: revision.configuration === undefined ? null : artefactToJson(revision.configuration),
    manifest_json: revision.manifestJson,
    created_at: revision.createdAt,
    requested_by: revision.requestedBy,
    cause: revision.cause,
  };
}
