import { Readable } from "node:stream";
import { DrawbridgeError } from "@drawbridge/errors";
import { fieldDetail } from "@drawbridge/rpc";
import { z } from "zod";
import { parseManifestJson } from "../adapters/app-json.ts";
import { instantOrNull, safeNumber } from "../adapters/values.ts";
import type { ErrorCode } from "../error-catalogue.ts";
import { defineRoute, type Route } from "../route.ts";
import { bundleSchema, maxBundleBytes } from "../schemas/bundle.ts";
import { bundleDigest, wholeNumber } from "../schemas/common.ts";
import type { RouteServices } from "../services.ts";

const path = "/v1/bundles/{digest}";
const params = z.strictObject({ digest: bundleDigest });
const anyViewer = { scope: "any-environment", role: "viewer" } as const;

const manifestNames = z.object({ name: z.string(), version: z.string() });

/** What config-resolver can say of an upload. */
const uploadErrors = [
  "UPLOAD_OFFSET_MISMATCH",
  "UPLOAD_TOO_LONG",
  "UPLOAD_INTERRUPTED",
  "BUNDLE_DIGEST_MISMATCH",
  "BUNDLE_MALFORMED",
  "BUNDLE_MANIFEST_MISSING",
  "BUNDLE_PATH_TRAVERSAL",
  "BUNDLE_TOO_LARGE",
  "MANIFEST_INVALID",
  "DISK_FULL",
  "PEER_UNAVAILABLE",
] as const satisfies readonly ErrorCode[];

/** Bundles pass through to config-resolver; nothing is kept here. */
export function bundleRoutes({ bundles, configuration }: RouteServices): readonly Route[] {
  return [
    defineRoute({
      method: "HEAD",
      path,
      action: "bundle.probe",
      summary: "Ask whether a bundle is stored, or how much of it",
      permission: anyViewer,
      params,
      responses: {
        200: {
          description: "It is stored.",
          headers: { "content-length": "Its size.", "upload-offset": "The same.", "upload-length": "The same." },
        },
        404: {
          description: "It is not stored, or not all of it.",
          headers: { "upload-offset": "Bytes that are there; an upload goes on from here." },
        },
      },
      errors: ["PEER_UNAVAILABLE"],
      handle: async ({ params: { digest }, signal }) => {
        const found = await bundles.probe(digest, signal);
        if (found.outcome === "partial") return { status: 404, headers: { "upload-offset": String(found.offset) } };
        const size = String(found.sizeBytes);
        return { status: 200, headers: { "content-length": size, "upload-offset": size, "upload-length": size } };
      },
    }),
    defineRoute({
      method: "PATCH",
      path,
      action: "bundle.upload",
      summary: "Upload a bundle, or go on with an upload",
      description:
        "The body is the bytes from Upload-Offset on; it may end early. After a broken connection ask with HEAD where to go on. What is complete is checked against the digest and its manifest before it is stored.",
      permission: { scope: "any-environment", role: "operator" },
      params,
      upload: true,
      headers: z.object({
        "upload-offset": wholeNumber(0, maxBundleBytes, "Offset of the first byte of the body."),
        "upload-length": wholeNumber(1, maxBundleBytes, "Size of the whole bundle, at most 2 GiB."),
        "content-length": wholeNumber(0, maxBundleBytes, "Bytes in this body.").optional(),
      }),
      responses: {
        201: { description: "The bundle is stored.", headers: { "upload-offset": "Its size." } },
        204: { description: "Taken; more is missing.", headers: { "upload-offset": "Where to go on." } },
      },
      errors: uploadErrors,
      handle: async ({ params: { digest }, headers, bytes, signal, note }) => {
        const offset = headers["upload-offset"];
        const totalBytes = headers["upload-length"];
        if (offset > totalBytes) throw offsetBeyondLength();
        const contentLength = headers["content-length"];
        const taken = await bundles.append({
          digest,
          offset,
          totalBytes,
          ...(contentLength === undefined ? {} : { contentLength }),
          bytes: bytes ?? Readable.from([]),
          signal,
        });
        note({ offset: String(offset), totalBytes: String(totalBytes), outcome: taken.outcome });
        const answer = { headers: { "upload-offset": String(taken.offset) } };
        return taken.outcome === "complete" ? { status: 201, ...answer } : { status: 204, ...answer };
      },
    }),
    defineRoute({
      method: "GET",
      path,
      action: "bundle.show",
      summary: "Show a stored bundle and its manifest",
      permission: anyViewer,
      params,
      responses: { 200: { description: "The bundle.", body: bundleSchema } },
      errors: ["BUNDLE_NOT_FOUND", "PEER_UNAVAILABLE"],
      handle: async ({ params: { digest }, signal }) => {
        const bundle = await configuration.getBundle({ digest }, { signal, idempotent: true });
        const manifest = parseManifestJson(bundle.manifestJson);
        const { name, version } = manifestNames.parse(manifest);
        return {
          status: 200,
          body: {
            digest: bundle.digest,
            sizeBytes: safeNumber("size_bytes", bundle.sizeBytes),
            name,
            version,
            manifest,
            storedAt: instantOrNull(bundle.storedAt),
          },
        };
      },
    }),
  ];
}

function offsetBeyondLength(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "REQUEST_INVALID",
    message: "the request is not valid: upload-offset is beyond upload-length",
    details: { [fieldDetail("upload-offset")]: "must not be beyond Upload-Length" },
  });
}
