import type { IncomingMessage } from "node:http";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import { problemContentType, toProblem } from "@drawbridge/rpc";
import type { Logger } from "@drawbridge/telemetry";
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { parseArtefactDigest } from "../domain/artefact-digest.ts";
import type { BundleRecords } from "../domain/bundle-record.ts";
import type { BundleUploads } from "../domain/bundle-uploads.ts";
import { maxBundleBytes } from "../domain/upload.ts";
import { discardBody, readBody } from "./read-body.ts";
import type { TransferMetrics } from "./transfer-metrics.ts";

export interface UploadRoutesDeps {
  readonly uploads: BundleUploads;
  readonly bundles: Pick<BundleRecords, "find">;
  readonly transfers: TransferMetrics;
  readonly logger: Logger;
  /** A sender that sends nothing for this long is cut off. */
  readonly idleMs: number;
}

type DigestRequest = FastifyRequest<{ Params: { digest: string } }>;

const wholeNumber = (maximum: number) =>
  z
    .string()
    .regex(/^\d{1,10}$/)
    .transform(Number)
    .pipe(z.number().max(maximum));
const headersSchema = z.object({
  "upload-offset": wholeNumber(maxBundleBytes),
  "upload-length": wholeNumber(maxBundleBytes).pipe(z.number().min(1)),
});

/** Resumable uploads, for management-api: HEAD says how much is there, PATCH adds to it, GET describes what is stored. */
export function registerUploadRoutes(app: FastifyInstance, deps: UploadRoutesDeps): void {
  const { uploads, bundles, transfers, logger, idleMs } = deps;
  // Bodies are read as they come, whatever they are called.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _payload, done) => done(null));

  app.head("/v1/bundles/:digest", async (request: DigestRequest, reply) => {
    const status = await uploads.status(parseArtefactDigest(request.params.digest));
    if (status.outcome === "partial") return reply.code(404).header("upload-offset", status.offset).send();
    const { sizeBytes } = status;
    return reply
      .headers({ "upload-offset": sizeBytes, "upload-length": sizeBytes, "content-length": sizeBytes })
      .send();
  });

  const show = async (request: DigestRequest) => {
    const digest = parseArtefactDigest(request.params.digest);
    const bundle = await bundles.find(digest);
    if (bundle === undefined) throw bundleNotFound(digest);
    const { sizeBytes, appName, version, manifestJson, storedAt } = bundle;
    const manifest: unknown = JSON.parse(manifestJson);
    return { digest, sizeBytes, name: appName, version, manifest, storedAt: storedAt.toISOString() };
  };
  app.route({ method: "GET", url: "/v1/bundles/:digest", exposeHeadRoute: false, handler: show });

  async function appendAndDiscard<T>(raw: IncomingMessage, append: (content: AsyncIterable<Uint8Array>) => Promise<T>) {
    try {
      return await append(counted(readBody(raw, idleMs), transfers));
    } catch (error) {
      transfers.uploaded("failed");
      throw error;
    } finally {
      await discardBody(raw, idleMs);
    }
  }

  app.patch("/v1/bundles/:digest", { errorHandler: uploadErrors(logger) }, async (request: DigestRequest, reply) => {
    const digest = parseArtefactDigest(request.params.digest);
    const headers = headersSchema.safeParse(request.headers);
    if (!headers.success) throw headersInvalid();
    const status = await appendAndDiscard(request.raw, (content) =>
      uploads.append({
        digest,
        offset: headers.data["upload-offset"],
        totalBytes: headers.data["upload-length"],
        content,
        signal: request.signal,
      }),
    );
    const isStored = status.outcome === "stored";
    transfers.uploaded(status.outcome);
    void reply.header("upload-offset", isStored ? status.sizeBytes : status.offset);
    return reply.code(isStored ? 201 : 204).send();
  });
}

async function* counted(content: AsyncIterable<Uint8Array>, transfers: TransferMetrics): AsyncGenerator<Uint8Array> {
  for await (const chunk of content) {
    transfers.received(chunk.byteLength);
    yield chunk;
  }
}

/** What an upload needs to know besides the problem: where to go on, and that no room is not a matter of patience. */
function uploadErrors(logger: Logger) {
  return (thrown: FastifyError, _request: FastifyRequest, reply: FastifyReply): void => {
    if (isDrawbridgeError(thrown, "UPLOAD_OFFSET_MISMATCH"))
      void reply.header("upload-offset", thrown.details["offset"]);
    if (!isDrawbridgeError(thrown, "DISK_FULL")) throw thrown; // the server's own handler answers
    logger.error({ err: thrown }, "bundle store is full");
    void reply
      .code(507)
      .type(problemContentType)
      .send({ ...toProblem(thrown), status: 507 }); // RFC 4918 11.5
  };
}

function headersInvalid(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "UPLOAD_HEADERS_INVALID",
    message: `Upload-Offset and Upload-Length must be whole numbers of bytes; a bundle has 1 to ${maxBundleBytes}`,
  });
}

function bundleNotFound(digest: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "not_found",
    code: "BUNDLE_NOT_FOUND",
    message: `there is no bundle ${digest}`,
    details: { digest },
  });
}
