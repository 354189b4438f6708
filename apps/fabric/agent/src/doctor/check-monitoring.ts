import type { IdentitySnapshot } from "@drawbridge/pki";
import { clientTlsOptions } from "@drawbridge/pki";
import { clientCertificate } from "../egress/egress-ledger.ts";
import type { DayEntry } from "../egress/read-ledgers.ts";
import { checkEndpoint, type ReachOptions } from "./check-endpoint.ts";
import type { Finding } from "./check.ts";

const what = "monitoring-ingest";

/**
 * The way of the monitoring-collector beside this agent, with its certificate. Where it reports is its own setting: the address is
 * the one that it wrote down last as where it has sent to.
 */
export async function checkMonitoring(
  options: {
    /** Throws where it is not valid now. */
    readonly identity: (() => IdentitySnapshot) | undefined;
    readonly sent: readonly DayEntry[];
    readonly common: ReachOptions;
  },
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { identity, sent, common } = options;
  const prefix = `${what} `;
  const [last] = sent
    .filter(({ peer, messageType }) => peer.startsWith(prefix) && !messageType.startsWith("doctor."))
    .toSorted((left, right) => right.lastAt.localeCompare(left.lastAt));
  if (last === undefined || identity === undefined) {
    const detail =
      last === undefined ? "no monitoring-collector has sent anything lately" : "no monitoring certificate";
    return [{ name: what, status: "skipped", detail }];
  }
  const expectedServer = "/cp/monitoring-ingest";
  const tlsOptions = async () =>
    Promise.resolve(clientTlsOptions(identity(), { expectedServer, alpnProtocols: ["http/1.1"] }));
  const address = last.peer.slice(prefix.length);
  return checkEndpoint({ ...common, what, address, expectedServer, shown: clientCertificate, tlsOptions }, signal);
}
