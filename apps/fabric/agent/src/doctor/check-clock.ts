import type { EgressLedger, HttpProxy } from "@drawbridge/egress";
import { DrawbridgeError } from "@drawbridge/errors";
import { clientTlsOptions, type IdentitySnapshot } from "@drawbridge/pki";
import { Agent, request } from "undici";
import { describeSkew, skewWarnMs } from "../clock/describe-skew.ts";
import { clientCertificate } from "../egress/egress-ledger.ts";
import { parseHostPort } from "../net/host-port.ts";
import { createTlsConnector } from "../net/tls-connector.ts";

/**
 * Compare the clock with config-resolver's `Date` header over the verified connection: to the second, which is enough.
 * @throws DrawbridgeError `CLOCK_SKEW` (failed_precondition)
 */
export async function checkClock(
  options: {
    readonly baseUrl: string;
    readonly identity: IdentitySnapshot;
    readonly ledger: Pick<EgressLedger, "record">;
    readonly proxy: HttpProxy | undefined;
    readonly now: () => Date;
  },
  signal: AbortSignal,
): Promise<string> {
  const { identity, proxy, now } = options;
  const url = new URL("/", options.baseUrl);
  const tlsOptions = clientTlsOptions(identity, { expectedServer: "/cp/config-resolver", alpnProtocols: ["http/1.1"] });
  const target = parseHostPort(url.port === "" ? `${url.host}:443` : url.host);
  const about = {
    peer: "config-resolver",
    target,
    proxy,
    timeoutMs: 10_000,
    tlsOptions,
    now,
    measuredSkewMs: () => undefined,
  };
  options.ledger.record({
    peer: `config-resolver ${target.host}:${target.port}`,
    messageType: "doctor.get-time",
    sizeBytes: Buffer.byteLength("GET /"),
    fields: [...clientCertificate, { path: "path", dataClass: "METADATA" }],
  });
  const dispatcher = new Agent({ connect: createTlsConnector(() => about, signal) });
  try {
    const { headers, body } = await request(url, { dispatcher, signal });
    const measuredAt = now();
    await body.dump();
    const date = new Date(String(headers["date"]));
    if (Number.isNaN(date.getTime())) return "the control plane does not say what time it is";
    const skewMs = measuredAt.getTime() - date.getTime();
    if (Math.abs(skewMs) < skewWarnMs) return `within ${Math.ceil(Math.abs(skewMs) / 1_000)} s of the control plane's`;
    throw new DrawbridgeError({
      kind: "failed_precondition",
      code: "CLOCK_SKEW",
      message: `your clock is ${describeSkew(skewMs)} of the control plane's, which says ${date.toISOString()}`,
    });
  } finally {
    await dispatcher.destroy();
  }
}
