import {
  CertificatePurpose as Purpose,
  type Renew,
  type RenewResult,
} from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import { isDrawbridgeError } from "@drawbridge/errors";
import type { Random } from "@drawbridge/lifecycle";
import { field, type Logger, type Metrics } from "@drawbridge/telemetry";
import type { CertificateAuthority } from "../clients/certificate-authority.ts";
import {
  refuseRenewal,
  renewalNameLimited,
  renewalOverloaded,
  renewalUnavailable,
  serialUnknown,
  type CertificatePurpose,
  type RenewalRefusal,
} from "../domain/renewal.ts";
import type { CertificateRepository } from "../store/certificates.ts";
import type { TrustBundleKeeper } from "./trust-bundle-keeper.ts";
import type { TunnelSession } from "./tunnel-session.ts";

/** Answers a Renew frame, sooner or later; the frames behind it do not wait. */
export type RenewCertificate = (session: TunnelSession, correlationId: string, renew: Renew) => void;

const purposes: Partial<Record<Purpose, CertificatePurpose>> = {
  [Purpose.CERTIFICATE_PURPOSE_TUNNEL]: "tunnel",
  [Purpose.CERTIFICATE_PURPOSE_MONITORING]: "monitoring",
};

/** Renewals that one replica and its authority get through in a second, carefully estimated. */
const renewalsPerSecond = 200;
const shortestRetryMs = 1_000;
const shortestSpreadMs = 4_000;

/**
 * Renewal over the tunnel (REN 1). The certificate is recorded by cert-authority before the answer is sent, so an answer
 * that is lost with this process, this tunnel or this replica is had again with the same request_id, anywhere.
 */
export function createRenewCertificate(deps: {
  readonly certificateAuthority: Pick<CertificateAuthority, "renew" | "findCollector">;
  readonly certificates: Pick<CertificateRepository, "find">;
  readonly trustBundle: Pick<TrustBundleKeeper, "frameFor">;
  /** Agents of this replica: so many may come back at once. */
  readonly agents: () => number;
  readonly random: Random;
  readonly metrics: Pick<Metrics, "counter" | "gauge">;
  readonly logger: Logger;
}): RenewCertificate {
  const { certificateAuthority, logger } = deps;
  const inWork = new Map<string, number>();
  let inFlight = 0;
  const outcomes = deps.metrics.counter("renewals", {
    description: "renewals asked for over tunnels, by their outcome",
  });
  deps.metrics.gauge("renewals_in_flight", { description: "renewals that wait for cert-authority" }, () => inFlight);

  /** So many come back that they need this long one after the other; a little more, so that the line gets shorter. */
  const retryAfterMs = (): number =>
    Math.round(
      shortestRetryMs + Math.max(shortestSpreadMs, (deps.agents() / renewalsPerSecond) * 1_200) * deps.random.next(),
    );

  async function isOwn(session: TunnelSession, purpose: CertificatePurpose, serial: string): Promise<boolean> {
    const { agentId, fabricId, serialNumber } = session.terms;
    if (purpose === "tunnel") {
      return serial === serialNumber || (await deps.certificates.find(serial))?.agentId === agentId;
    }
    if (serial === "") return true;
    const owner = await certificateAuthority.findCollector(serial);
    // One that was issued after the backup from which the authority was restored is replaced like any other.
    return owner === "unknown" || (owner !== "another kind" && owner.fabricId === fabricId);
  }

  async function renew(
    session: TunnelSession,
    purpose: CertificatePurpose,
    request: Renew,
  ): Promise<RenewResult | RenewalRefusal> {
    const { agentId, fabricId, org } = session.terms;
    try {
      if (!(await isOwn(session, purpose, request.currentSerial))) return serialUnknown();
      const { certificatesDer, trustBundleSequence } = await certificateAuthority.renew({
        requestId: request.requestId,
        csrDer: request.csrDer,
        purpose,
        org,
        fabricId,
        agentId,
      });
      return {
        certificatesDer: certificatesDer.map((der) => Buffer.from(der)),
        trustBundle: await deps.trustBundle.frameFor(session, trustBundleSequence),
        errorCode: "",
        errorMessage: "",
        retryAfterMs: 0,
      };
    } catch (error) {
      logger.info({ err: error, [field.agentId]: agentId, purpose }, "certificate not renewed");
      return refusalOf(error);
    }
  }

  function refusalOf(error: unknown): RenewalRefusal {
    if (!isDrawbridgeError(error)) return renewalUnavailable(retryAfterMs());
    // Said of the CSR or the request_id: the agent has to make them anew.
    if (error.kind === "invalid_argument" || error.kind === "already_exists") {
      return { code: error.code, message: error.message, retryAfterMs: 0 };
    }
    if (error.code === "ISSUE_OVERLOADED") return renewalOverloaded(Math.max(error.retryAfterMs ?? 0, retryAfterMs()));
    if (error.code === "ISSUE_NAME_LIMIT") return renewalNameLimited(error.retryAfterMs ?? retryAfterMs());
    return renewalUnavailable(retryAfterMs());
  }

  function answer(
    session: TunnelSession,
    correlationId: string,
    purpose: CertificatePurpose | undefined,
    result: RenewResult | RenewalRefusal,
  ): void {
    outcomes.add(1, { purpose: purpose ?? "unknown", outcome: "code" in result ? result.code : "renewed" });
    session.send({ $case: "renewResult", value: "code" in result ? refused(result) : result }, { correlationId });
  }

  return (session, correlationId, request) => {
    const { agentId } = session.terms;
    const purpose = purposes[request.purpose];
    const ofAgent = inWork.get(agentId) ?? 0;
    const { requestId, currentSerial, csrDer } = request;
    const refusal = refuseRenewal(
      { requestId, purpose, csrBytes: csrDer.length, currentSerial },
      { ofAgent, inFlight, retryAfterMs: retryAfterMs() },
    );
    if (refusal || purpose === undefined) {
      if (refusal) answer(session, correlationId, purpose, refusal);
      return;
    }
    inFlight += 1;
    inWork.set(agentId, ofAgent + 1);
    void renew(session, purpose, request)
      .then((result) => answer(session, correlationId, purpose, result))
      .finally(() => {
        inFlight -= 1;
        const left = (inWork.get(agentId) ?? 1) - 1;
        if (left === 0) inWork.delete(agentId);
        else inWork.set(agentId, left);
      });
  };
}

function refused({ code, message, retryAfterMs }: RenewalRefusal): RenewResult {
  return { certificatesDer: [], trustBundle: undefined, errorCode: code, errorMessage: message, retryAfterMs };
}
