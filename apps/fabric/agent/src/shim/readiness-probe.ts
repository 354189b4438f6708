import { request } from "node:http";
import type { AppProtocol } from "@drawbridge/app-routes";

/** An app that listens on "localhost" may have got either address family. */
const loopbackAddresses = ["127.0.0.1", "::1"] as const;

export type ProbeResult = { readonly ready: true; readonly address: string } | { readonly ready: false };

/** GET the path on the loopback address that answers; 200 to 399 is ready. Never rejects. */
export async function probeReadiness(options: {
  readonly port: number;
  readonly path: string;
  readonly protocol: AppProtocol;
  readonly timeoutMs: number;
}): Promise<ProbeResult> {
  const ask = options.protocol === "h2c" ? getStatusOverHttp2 : getStatus;
  for (const address of loopbackAddresses) {
    const status = await ask({ ...options, address });
    if (status !== undefined) return status >= 200 && status <= 399 ? { ready: true, address } : { ready: false };
  }
  return { ready: false };
}

interface Question {
  readonly address: string;
  readonly port: number;
  readonly path: string;
  readonly timeoutMs: number;
}

/** `undefined` if nothing answered in time. */
function getStatus(options: Question): Promise<number | undefined> {
  return new Promise((resolve) => {
    const probe = request({
      host: options.address,
      port: options.port,
      path: options.path,
      method: "GET",
      agent: false,
      headers: { host: "localhost", "user-agent": "drawbridge-probe", connection: "close" },
      signal: AbortSignal.timeout(options.timeoutMs),
    });
    probe.on("response", (response) => {
      resolve(response.statusCode);
      response.on("error", () => undefined); // cut by the destroy below
      response.destroy(); // the body does not matter and may never end
    });
    probe.on("error", () => resolve(undefined));
    probe.end();
  });
}

/** The same with prior knowledge (RFC 9113 3.3). */
async function getStatusOverHttp2({ address, port, path, timeoutMs }: Question): Promise<number | undefined> {
  const { connect } = await import("node:http2"); // few apps need it, and a shim is small
  return new Promise((resolve) => {
    const session = connect(`http://${address.includes(":") ? `[${address}]` : address}:${port}`);
    const finish = (status: number | undefined): void => {
      resolve(status);
      session.destroy();
    };
    const stream = session.request({ ":path": path, ":authority": "localhost", "user-agent": "drawbridge-probe" });
    stream.on("response", (headers) => finish(headers[":status"]));
    stream.on("error", () => finish(undefined));
    session.on("error", () => finish(undefined));
    session.on("close", () => finish(undefined));
    AbortSignal.timeout(timeoutMs).addEventListener("abort", () => finish(undefined), { once: true });
  });
}
