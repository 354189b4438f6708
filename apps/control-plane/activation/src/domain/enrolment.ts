import { createHash } from "node:crypto";
import { uuidV8 } from "./uuid-v8.ts";

/** A certificate with its chain. */
export interface IssuedChain {
  readonly serialNumber: string;
  /** Leaf first, then issuing CAs; DER. */
  readonly certificatesDer: readonly Buffer[];
  readonly notAfter: Date;
}

export interface IssuedCertificates {
  readonly certificate: IssuedChain;
  readonly monitoringCertificate: IssuedChain;
}

/** The keys that a redemption is bound to: SHA-256 of their SubjectPublicKeyInfo, lower-case hex. */
export interface EnrolmentKeys {
  readonly agentSpkiSha256: string;
  readonly collectorSpkiSha256: string;
}

/** What is written in the transaction that consumes a token. */
export interface NewEnrolment extends EnrolmentKeys {
  readonly agentId: string;
  readonly tokenId: string;
  /** Kept for the way back after expiry (REN 7). */
  readonly recoveryKeySpkiDer: Buffer;
  /** Of the first join state. */
  readonly joinNonce: Buffer;
  readonly agentVersion: string;
  readonly remoteAddress: string;
  readonly enrolledAt: Date;
}

/** An agent in the making. */
export type Enrolment = EnrolmentKeys & {
  readonly agentId: string;
  readonly tokenId: string;
  readonly enrolledAt: Date;
  /** Absent if the activation is older than join states. */
  readonly joinNonce: Buffer | undefined;
} & (
    | { readonly state: "pending" }
    | ({ readonly state: "issued"; readonly issuedAt: Date } & IssuedCertificates)
    | { readonly state: "closed"; readonly reason: "first_tunnel" | "fabric_deleted" }
  );

/**
 * The request id under which cert-authority knows a certificate of this enrolment: the same for every attempt, so that
 * a repeated attempt gets the same certificate. A UUIDv8 (RFC 9562 5.8) from SHA-256 of the agent's id and the purpose.
 */
export function certificateRequestId(agentId: string, purpose: "agent" | "collector"): string {
  return requestIdFrom(`drawbridge enrolment ${agentId} ${purpose}`);
}

/** The same for a recovery, which its challenge names. */
export function recoveryRequestId(challengeId: string, purpose: "agent" | "collector"): string {
  return requestIdFrom(`drawbridge recovery ${challengeId} ${purpose}`);
}

function requestIdFrom(text: string): string {
  return uuidV8(createHash("sha256").update(text).digest().subarray(0, 16));
}
