import { randomUUID } from "node:crypto";
import { CertificatePurpose, type Renew, type RenewResult } from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import {
  chainToPem,
  createCsr,
  createTrustBundle,
  generateKeyPair,
  validateIdentity,
  type IdentitySnapshot,
} from "@drawbridge/pki";
import type { SimulatedAgent } from "./simulated-agent.ts";

/** A new key and what is asked for it; the same object asked twice is the same request. */
export interface Renewal {
  readonly request: Renew;
  /** The identity that an answer makes of the key. */
  readonly identityOf: (result: RenewResult, trustDomain: string) => IdentitySnapshot;
}

export async function aRenewal(
  current: Pick<IdentitySnapshot, "serialNumber">,
  change: Partial<Renew> = {},
): Promise<Renewal> {
  const keyPair = await generateKeyPair();
  return {
    request: {
      requestId: randomUUID(),
      purpose: CertificatePurpose.CERTIFICATE_PURPOSE_TUNNEL,
      csrDer: Buffer.from(await createCsr(keyPair)),
      currentSerial: current.serialNumber,
      ...change,
    },
    identityOf: ({ certificatesDer, trustBundle }, trustDomain) => {
      if (!trustBundle) throw new Error("the answer has no trust bundle");
      return validateIdentity(
        {
          certificateChainPem: chainToPem(certificatesDer),
          privateKeyPem: keyPair.privateKeyPem(),
          trustBundle: createTrustBundle({ ...trustBundle, trustDomain, refreshHintSeconds: 60 }),
        },
        new Date(),
      );
    },
  };
}

/** Ask and wait for the answer to this very question. */
export async function renewOver(agent: SimulatedAgent, request: Renew): Promise<RenewResult> {
  const mine = randomUUID();
  agent.send({ $case: "renew", value: request }, mine);
  for (;;) {
    const { value, correlationId } = await agent.next("renewResult");
    if (correlationId === mine) return value;
  }
}
