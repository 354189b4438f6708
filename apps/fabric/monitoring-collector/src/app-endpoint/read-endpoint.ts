import { get, type IncomingMessage } from "node:http";
import type { AppEndpoint } from "../sampling/replica-source.ts";

/** A metrics page of a large app has some hundred kilobytes. */
const maxBytes = 524_288;
const accept = "application/openmetrics-text; version=1.0.0, text/plain; version=0.0.4; q=0.9";

/**
 * The text at an app's endpoint. Goes nowhere else: no proxy, no redirect, a connection of its own. It rejects for whoever
 * answers otherwise than 200, packs what he says, or says too much.
 */
export async function readEndpoint({ address, port, path }: AppEndpoint, signal: AbortSignal): Promise<string> {
  const response = await answerOf({ address, port, path }, signal);
  try {
    if (response.statusCode !== 200) throw new Error(`it answers ${response.statusCode}`);
    if ((response.headers["content-encoding"] ?? "identity") !== "identity") throw new Error("its answer is packed");
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of response) {
      const bytes: Buffer = chunk; // no encoding was set
      size += bytes.length;
      if (size > maxBytes) throw new Error(`its answer has more than ${maxBytes} bytes`);
      chunks.push(bytes);
    }
    return Buffer.concat(chunks).toString("utf8");
  } finally {
    response.destroy();
  }
}

function answerOf(
  { address, port, path }: Pick<AppEndpoint, "address" | "port" | "path">,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const headers = { accept, "accept-encoding": "identity", "user-agent": "drawbridge-monitoring-collector" };
  get({ host: address, port, path, agent: false, headers, signal }, resolve).on("error", reject);
  return promise;
}
