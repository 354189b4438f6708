import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { lengthOf, pathOf, type ServedExchange } from "./exchange.ts";
import { readBody } from "./read-body.ts";
import type { TimeLimits } from "./time-limits.ts";

/** An answer that the client does not take within this time is given up with its stream. */
const takeTimeoutMs = 10_000;

/** The stream API only: the one that imitates HTTP/1.1 costs twice as much. */
export function http2Exchange(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  options: { readonly remoteAddress: string; readonly timeLimits: Pick<TimeLimits, "add"> },
): ServedExchange {
  const over = Promise.withResolvers<{ readonly answered: boolean }>();
  let isEnded = false;
  stream.once("close", () => over.resolve({ answered: isEnded }));
  stream.on("error", () => undefined); // "close" follows
  const contentLength = stream.endAfterHeaders ? 0 : lengthOf(headers["content-length"]);
  let isAsked = headers.expect !== "100-continue";
  return {
    method: headers[":method"] ?? "",
    path: pathOf(headers[":path"] ?? ""),
    remoteAddress: options.remoteAddress,
    contentLength,
    header: (name) => {
      const value = headers[name];
      return typeof value === "string" ? value : undefined;
    },
    readBody: (limits) => {
      const isTooLarge = contentLength !== undefined && contentLength > limits.limitBytes;
      if (!isAsked && !isTooLarge && !stream.destroyed) stream.additionalHeaders({ ":status": 100 });
      isAsked = true;
      return readBody(stream, { ...limits, contentLength, timeLimits: options.timeLimits });
    },
    answer: (answer) => {
      if (stream.headersSent || stream.destroyed) return;
      stream.respond({
        ...answer.headers,
        ":status": answer.status,
        "content-type": answer.contentType,
        "content-length": Buffer.byteLength(answer.body),
      });
      stream.setTimeout(takeTimeoutMs, () => stream.close(constants.NGHTTP2_CANCEL));
      stream.end(answer.body, () => {
        isEnded = true;
        // A client that still sends is told that it need not (RFC 9113 8.1).
        if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
      });
    },
    over: over.promise,
  };
}
