import { isDrawbridgeError } from "@drawbridge/errors";
import { createLoop, type Clock, type Component } from "@drawbridge/lifecycle";
import type { Connection } from "@drawbridge/rpc";
import type { Logger } from "@drawbridge/telemetry";
import type { CertificateStanding } from "../domain/certificate-standing.ts";
import { shownCertificate } from "./check-in-routes.ts";

/** Design R9 wants live connections looked at every 60 s; this costs a comparison each. */
const lookMs = 5_000;

/**
 * Cuts connections whose certificate has expired or was revoked since they were opened: TLS looks at a certificate in the
 * handshake only.
 */
export function watchConnections(deps: {
  readonly connections: () => Iterable<Connection>;
  readonly standing: CertificateStanding;
  readonly clock: Clock;
  readonly logger: Logger;
}): Component {
  const { connections, standing, clock, logger } = deps;
  return createLoop({
    name: "connection check",
    clock,
    intervalMs: lookMs,
    pass: async () => {
      const unanswered: unknown[] = [];
      for (const connection of connections()) {
        const { peer } = connection;
        if (peer === undefined) continue;
        if (clock.now() >= peer.notAfter) connection.close("certificate expired");
        // Whoever is no collector gets no answer but 403, and there is nothing more to find out.
        else if (peer.identity.kind === "collector")
          await cutIfRefused(connection, standing).catch((error: unknown) => unanswered.push(error));
      }
      if (unanswered.length > 0) throw new AggregateError(unanswered.slice(0, 10), "standings are not known");
    },
    onError: (error) => logger.warn({ err: error }, "connections could not be checked"),
  });
}

/** A refusal cuts; a question without an answer does not, and is asked again. */
async function cutIfRefused(connection: Connection, standing: CertificateStanding): Promise<void> {
  try {
    await standing.assertGood(shownCertificate(connection));
  } catch (error) {
    if (!isDrawbridgeError(error) || !["unauthenticated", "permission_denied"].includes(error.kind)) throw error;
    connection.close(error.message);
  }
}
