import type {
  CertificateRecord,
  RevokeCertificatesRequest,
} from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import { z } from "zod";
import { holdsEverywhere } from "../../domain/role.ts";
import { certificateToJson } from "../adapters/certificate-json.ts";
import { required } from "../adapters/values.ts";
import { findFabrics } from "../certificate-fabrics.ts";
import { type Caller, defineRoute, type Route } from "../route.ts";
import {
  certificateQuery,
  certificateSchema,
  fingerprint,
  revokeBody,
  revokedSchema,
  serialNumber,
} from "../schemas/certificate.ts";
import { listOf } from "../schemas/common.ts";
import type { RouteServices } from "../services.ts";
import { findVisibleFabric, isVisible } from "./fabric-routes.ts";

const anyViewer = { scope: "any-environment", role: "viewer" } as const;

/** Certificates: of fabrics and of the control plane's services. */
export function certificateRoutes(services: RouteServices): readonly Route[] {
  return [...readCertificateRoutes(services), revokeRoute(services)];
}

function readCertificateRoutes(services: RouteServices): readonly Route[] {
  const { certificates, clock } = services;
  return [
    defineRoute({
      method: "GET",
      path: "/v1/certificates",
      action: "certificate.list",
      summary: "List certificates, newest first",
      description:
        "Those of fabrics that the caller may see; of services only for who may see everything. A page may be shorter than `limit` for that. Expired ones only with `all`.",
      permission: anyViewer,
      query: certificateQuery,
      responses: { 200: { description: "Certificates.", body: listOf(certificateSchema, "A page of certificates.") } },
      errors: ["FABRIC_NOT_FOUND", "PAGE_TOKEN_INVALID", "PEER_UNAVAILABLE"],
      handle: async ({ query, caller, signal }) => {
        const { fabric: asked, all, limit: pageSize, pageToken } = query;
        const only =
          asked === undefined ? undefined : await findVisibleFabric(services, { fabric: asked, caller, signal });
        const request = { fabricId: only?.fabricId ?? "", spiffeId: "", unexpiredOnly: !all, pageSize, pageToken };
        const page = await certificates.listCertificates(request, { signal, idempotent: true });
        const items = await visibleToJson(services, { records: page.certificates, caller, signal });
        return { status: 200, body: { items, nextPageToken: page.nextPageToken } };
      },
    }),
    defineRoute({
      method: "GET",
      path: "/v1/certificates/{serial}",
      action: "certificate.show",
      summary: "Show a certificate by its serial number",
      permission: anyViewer,
      params: z.strictObject({ serial: serialNumber }),
      responses: { 200: { description: "The certificate.", body: certificateSchema } },
      errors: ["CERTIFICATE_NOT_FOUND", "PEER_UNAVAILABLE"],
      handle: async ({ params, caller, signal }) => {
        const record = await findRecord(params.serial, { caller, signal });
        const [json] = record ? await visibleToJson(services, { records: [record], caller, signal }) : [];
        if (!json) throw certificateHidden(params.serial);
        return { status: 200, body: json };
      },
    }),
  ];

  /** undefined where the caller must not learn whether there is one. */
  async function findRecord(
    serial: string,
    { caller, signal }: { readonly caller: Caller; readonly signal: AbortSignal },
  ): Promise<CertificateRecord | undefined> {
    try {
      const answer = await certificates.getCertificate({ serialNumber: serial }, { signal, idempotent: true });
      return required("certificate", answer.certificate);
    } catch (error) {
      if (!isDrawbridgeError(error, "CERTIFICATE_NOT_FOUND") || holdsEverywhere(caller.bindings, "viewer")) throw error;
      return undefined;
    }
  }

  /** Without runtime-manager who sees everything gets certificates without names; for others nothing can be decided. */
  async function visibleToJson(
    from: Pick<RouteServices, "fabrics" | "org">,
    { records, caller, signal }: { records: readonly CertificateRecord[]; caller: Caller; signal: AbortSignal },
  ): Promise<z.output<typeof certificateSchema>[]> {
    const seesAll = holdsEverywhere(caller.bindings, "viewer");
    const { find, failure } = await findFabrics(
      from,
      records.map(({ fabricId }) => fabricId),
      signal,
    );
    if (failure !== undefined && !seesAll) throw failure;
    const now = clock.now();
    return records.flatMap((record) => {
      const fabric = find(record.fabricId);
      const isTheirs = typeof fabric === "object" && isVisible(fabric, caller.bindings);
      return seesAll || isTheirs ? [certificateToJson(record, { fabric, now })] : [];
    });
  }
}

function revokeRoute(services: RouteServices): Route {
  const { certificates, clock } = services;
  return defineRoute({
    method: "POST",
    path: "/v1/certificates/revoke",
    action: "certificate.revoke",
    target: revokedTarget,
    summary: "Revoke a certificate for ever",
    description:
      "Every listener of the control plane refuses it within five seconds, and open connections that were made with it are cut. Its apps go on. By fingerprint also one that the authority has no record of.",
    permission: { scope: "organisation", role: "administrator" },
    body: revokeBody,
    responses: { 200: { description: "What was revoked.", body: revokedSchema } },
    errors: ["CERTIFICATE_NOT_FOUND", "PEER_UNAVAILABLE"],
    handle: async ({ body, signal, note }) => {
      const { serialNumber: serial, fingerprintSha256, reason } = body;
      note({
        reason,
        ...(serial === undefined ? {} : { serialNumber: serial }),
        ...(fingerprintSha256 === undefined ? {} : { fingerprintSha256 }),
      });
      const options = { signal, idempotent: true };
      const { serialNumbers } = await certificates.revokeCertificates({ target: targetOf(body), reason }, options);
      const shown = serial ?? serialNumbers[0];
      if (shown === undefined) return { status: 200, body: { revoked: [], certificate: null } };
      const record = required(
        "certificate",
        (await certificates.getCertificate({ serialNumber: shown }, options)).certificate,
      );
      note({ spiffeId: record.spiffeId });
      const { find } = await findFabrics(services, [record.fabricId], signal);
      const certificate = certificateToJson(record, { fabric: find(record.fabricId), now: clock.now() });
      return { status: 200, body: { revoked: [...serialNumbers], certificate } };
    },
  });
}

function targetOf(body: z.output<typeof revokeBody>): NonNullable<RevokeCertificatesRequest["target"]> {
  if (body.serialNumber !== undefined) return { $case: "serialNumber", value: body.serialNumber };
  return { $case: "fingerprintSha256", value: (body.fingerprintSha256 ?? "").replace("sha256:", "") };
}

function revokedTarget(_params: unknown, body?: unknown): string {
  const named = z.object({
    serialNumber: serialNumber.catch("").default(""),
    fingerprintSha256: fingerprint.catch("").default(""),
  });
  const found = named.safeParse(body);
  return found.success ? found.data.serialNumber || found.data.fingerprintSha256 : "";
}

function certificateHidden(serial: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "permission_denied",
    code: "PERMISSION_DENIED",
    message: `there is no certificate ${serial}, or it belongs to nothing that you may see`,
  });
}
