import { request } from "node:http";

/** An app that listens on "localhost" may have got either address family. */
const loopbackAddresses = ["127.0.0.1", "::1"] as const;

export type ProbeResult = { readonly ready: true; readonly address: string } | { readonly ready: false };

/** GET the path on the loopback address that answers; 200 to 399 is ready. Never rejects. */
export async function probeReadiness(options: {
  readonly port: number;
  readonly path: string;
  readonly timeoutMs: number;
}): Promise<ProbeResult> {
  for (const address of loopbackAddresses) {
    const status = await getStatus({ ...options, address });
    if (status !== undefined) return status >= 200 && status <= 399 ? { ready: true, address } : { ready: false };
  }
  return { ready: false };
}

/** `undefined` if nothing answered in time. */
function getStatus(options: {
  readonly address: string;
  readonly port: number;
  readonly path: string;
  readonly timeoutMs: number;
}): Promise<number | undefined> {
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
