import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { ConnectionOptions } from "node:tls";
import { dial, type HttpProxy, type EgressLedger, type OutboundField } from "@drawbridge/egress";
import { DrawbridgeError } from "@drawbridge/errors";
import { connectTls } from "../net/connect-tls.ts";
import { parseHostPort } from "../net/host-port.ts";
import { errorCodeOf } from "../state/atomic-file.ts";
import { check, type Finding } from "./check.ts";

export interface EndpointOptions {
  /** "tunnel", "config-resolver": for the names of the findings. */
  readonly what: string;
  /** host:port */
  readonly address: string;
  readonly proxy: HttpProxy | undefined;
  /** Makes the options of the handshake; rejects when the server cannot be verified. */
  readonly tlsOptions: (signal: AbortSignal) => Promise<ConnectionOptions>;
  readonly expectedServer: string;
  readonly now: () => Date;
  readonly measuredSkewMs: number | undefined;
  /** Written down before each connection, which a firewall sees whatever comes of it. */
  readonly ledger: Pick<EgressLedger, "record">;
  /** What the handshake shows of us. */
  readonly shown: readonly OutboundField[];
}

/** How any endpoint is reached. */
export type ReachOptions = Pick<EndpointOptions, "proxy" | "now" | "measuredSkewMs" | "ledger">;

const timeoutMs = 10_000;

/** DNS, TCP, then TLS with the server's identity; what cannot be tried after a failure is skipped. */
export async function checkEndpoint(options: EndpointOptions, signal: AbortSignal): Promise<readonly Finding[]> {
  const { what, address, proxy } = options;
  const target = parseHostPort(address);
  const findings: Finding[] = [];
  const peer = `${options.expectedServer.replace("/cp/", "")} ${address}`;
  const steps: readonly (readonly [string, () => Promise<string>])[] = [
    [`DNS ${what}`, () => resolve(proxy ? proxy.host : target.host, proxy !== undefined)],
    [
      `TCP ${what}`,
      async () => {
        options.ledger.record({ peer, messageType: "doctor.tcp-connect", sizeBytes: 0, fields: [] });
        (await dial({ target, proxy, timeoutMs }, signal)).destroy();
        return `${address} can be reached${proxy ? ` through the proxy ${proxy.host}:${proxy.port}` : ""}`;
      },
    ],
    [
      `TLS ${what}`,
      async () => {
        const { now, measuredSkewMs } = options;
        options.ledger.record({ peer, messageType: "doctor.tls-handshake", sizeBytes: 0, fields: options.shown });
        const tlsOptions = await options.tlsOptions(signal);
        const about = { peer: what, target, proxy, timeoutMs, tlsOptions, now, measuredSkewMs: () => measuredSkewMs };
        const socket = await connectTls(about, signal);
        const protocol = socket.getProtocol() ?? "TLS";
        socket.destroy();
        return `${protocol}, verified as ${options.expectedServer}`;
      },
    ],
  ];
  for (const [name, work] of steps) {
    const hasFailed = findings.some(({ status }) => status === "failed");
    findings.push(hasFailed ? { name, status: "skipped", detail: "an earlier step failed" } : await check(name, work));
  }
  return findings;
}

async function resolve(host: string, isProxy: boolean): Promise<string> {
  if (isIP(host) !== 0) return `${host} is an address`;
  try {
    const found = await lookup(host, { all: true });
    return `${isProxy ? "proxy " : ""}${host} is ${found.map(({ address }) => address).join(", ")}`;
  } catch (error) {
    throw new DrawbridgeError({
      kind: "unavailable",
      code: "DIAL_NAME_NOT_FOUND",
      message: `the name ${host} cannot be resolved (${errorCodeOf(error)})`,
      cause: error,
    });
  }
}
