import { DrawbridgeError } from "@drawbridge/errors";
import { toProblem, problemContentType } from "@drawbridge/rpc";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { OpenBlob } from "../blobs/file-blob-store.ts";
import type { ArtefactDigest } from "../domain/artefact-digest.ts";
import { chooseByteRange, matchesNone } from "../domain/byte-range.ts";
import type { TransferMetrics } from "./transfer-metrics.ts";

/** Answer GET or HEAD with a file: whole or in part, streamed. Closes the file in any case. */
export async function sendBlob(options: {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly blob: OpenBlob;
  readonly digest: ArtefactDigest;
  readonly transfers: TransferMetrics;
  /** A reader that takes nothing for this long is cut off. */
  readonly idleMs: number;
}): Promise<FastifyReply> {
  const { request, reply, blob, digest, idleMs } = options;
  const { sizeBytes } = blob;
  // The digest names the content, so it is a strong validator by nature.
  const etag = `"${digest}"`;
  void reply.headers({ etag, "accept-ranges": "bytes", "content-type": "application/gzip" });
  if (matchesNone(request.headers["if-none-match"], etag)) {
    await blob.close();
    return reply.code(304).send();
  }
  const ifRange = request.headers["if-range"];
  const range = chooseByteRange({
    range: request.headers.range,
    ifRange: typeof ifRange === "string" ? ifRange : undefined,
    etag,
    sizeBytes,
  });
  if (range.outcome === "unsatisfiable") {
    await blob.close();
    void reply.header("content-range", `bytes */${sizeBytes}`);
    return reply
      .code(416)
      .type(problemContentType)
      .send({ ...toProblem(rangeNotSatisfiable(sizeBytes)), status: 416 });
  }
  const [start, end] = range.outcome === "part" ? [range.start, range.end] : [0, sizeBytes - 1];
  if (range.outcome === "part") void reply.code(206).header("content-range", `bytes ${start}-${end}/${sizeBytes}`);
  void reply.header("content-length", end - start + 1);
  if (request.method === "HEAD") {
    await blob.close();
    return reply.send();
  }
  reply.raw.setTimeout(idleMs, () => reply.raw.destroy());
  const content = blob.stream({ start, end });
  reply.raw.once("close", () => {
    options.transfers.downloaded("bundle", reply.raw.writableFinished ? "complete" : "cut", content.bytesRead);
  });
  return reply.send(content);
}

function rangeNotSatisfiable(sizeBytes: number): DrawbridgeError {
  return new DrawbridgeError({
    kind: "out_of_range",
    code: "RANGE_NOT_SATISFIABLE",
    message: `the bundle has ${sizeBytes} bytes`,
    details: { sizeBytes: String(sizeBytes) },
  });
}
