import type { IncomingMessage, ServerResponse } from "node:http";
import { lingerOnClose } from "@drawbridge/lifecycle";
import { lengthOf, pathOf, type ServedExchange } from "./exchange.ts";
import { readBody } from "./read-body.ts";
import type { TimeLimits } from "./time-limits.ts";

/** A body up to this size that nobody wants is read and thrown away, so that its connection can go on. */
const dumpedBytes = 256 * 1024;

/** @param awaitsContinue the client sends the body when it is asked to (RFC 9110 10.1.1) */
export function http1Exchange(
  request: IncomingMessage,
  response: ServerResponse,
  options: {
    readonly remoteAddress: string;
    readonly awaitsContinue: boolean;
    readonly isClosing: () => boolean;
    readonly timeLimits: Pick<TimeLimits, "add">;
  },
): ServedExchange {
  const over = Promise.withResolvers<{ readonly answered: boolean }>();
  response.once("close", () => over.resolve({ answered: response.writableFinished }));
  request.on("error", () => undefined); // "close" follows
  const contentLength = lengthOf(request.headers["content-length"]);
  const isChunked = request.headers["transfer-encoding"] !== undefined;
  let isAsked = !options.awaitsContinue;
  return {
    method: request.method ?? "",
    path: pathOf(request.url ?? ""),
    remoteAddress: options.remoteAddress,
    contentLength: contentLength ?? (isChunked ? undefined : 0),
    header: (name) => {
      const values = request.headersDistinct[name];
      return values?.length === 1 ? values[0] : undefined;
    },
    readBody: (limits) => {
      const isTooLarge = contentLength !== undefined && contentLength > limits.limitBytes;
      if (!isAsked && !isTooLarge) response.writeContinue();
      isAsked ||= !isTooLarge;
      return readBody(request, { ...limits, contentLength, timeLimits: options.timeLimits });
    },
    answer: ({ status, contentType, body, headers = {} }) => {
      if (response.headersSent || response.destroyed) return;
      const rest = request.readableEnded ? 0 : (contentLength ?? (isChunked ? Infinity : 0));
      const closes = options.isClosing() || !isAsked || rest > dumpedBytes || status === 408;
      response.writeHead(status, {
        ...headers,
        "content-type": contentType,
        "content-length": Buffer.byteLength(body),
        ...(closes ? { connection: "close" } : {}),
      });
      if (closes) lingerOnClose(request);
      response.end(body);
      if (!closes) request.resume();
    },
    over: over.promise,
  };
}
