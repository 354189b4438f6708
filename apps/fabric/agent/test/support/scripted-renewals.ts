import type { Renew, RenewResult } from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import { parseCsr, spiffeId, type TrustBundle } from "@drawbridge/pki";
import type { TestCa } from "@drawbridge/testkit";

/** What runtime-manager and cert-authority do with `Renew`: the same request gives the same certificate, another key is refused. */
export interface ScriptedRenewals {
  readonly requests: readonly Renew[];
  /** Serial numbers that were issued, in order. */
  readonly issued: readonly string[];
  /** The next answers are these errors instead. */
  errors: string[];
  /** So many of the next answers are lost on the way; the certificate is issued all the same. */
  lose: number;
  ttlSeconds: number | undefined;
  /** Change an answer before it is sent. */
  alter: (result: RenewResult) => RenewResult;
  answer(request: Renew): Promise<RenewResult | undefined>;
}

export function createScriptedRenewals(options: {
  readonly ca: TestCa;
  /** Goes with every answer; by default the CA's own. */
  readonly trustBundle?: TrustBundle;
  /** The way to it. Default: none. */
  readonly succession?: readonly string[];
  readonly fabricId: string;
  readonly leafTtlSeconds?: number;
  /** The control plane's clock. */
  readonly now: () => Date;
}): ScriptedRenewals {
  const { ca, trustBundle = ca.trustBundle } = options;
  const requests: Renew[] = [];
  const answers = new Map<
    string,
    { readonly key: string; readonly serialNumber: string; readonly result: RenewResult }
  >();

  async function issue(request: Renew): Promise<RenewResult> {
    const csr = await parseCsr(request.csrDer);
    const known = answers.get(request.requestId);
    if (known && known.key !== csr.spkiSha256) return failure("REQUEST_ID_REUSED");
    if (known) return known.result;
    const names = { trustDomain: ca.trustDomain, org: "acme", fabricId: options.fabricId };
    const id =
      request.purpose === 1
        ? spiffeId.agent({ ...names, agentId: "0190b8a0-0000-7000-8000-00000000a001" })
        : spiffeId.collector(names);
    const ttl = script.ttlSeconds === undefined ? {} : { ttlSeconds: script.ttlSeconds };
    const leaf = await ca.sign(csr.spkiDer, id, { now: options.now(), ...ttl });
    const result: RenewResult = {
      ...failure(""),
      certificatesDer: [Buffer.from(leaf.certificateDer), Buffer.from(ca.issuingDer)],
      trustBundle: {
        sequence: trustBundle.sequence,
        rootsDer: trustBundle.rootsDer.map((der) => Buffer.from(der)),
        succession: [...(options.succession ?? [])],
      },
    };
    answers.set(request.requestId, { key: csr.spkiSha256, serialNumber: leaf.serialNumber, result });
    return result;
  }

  const script: ScriptedRenewals = {
    requests,
    get issued() {
      return [...answers.values()].map(({ serialNumber }) => serialNumber);
    },
    errors: [],
    lose: 0,
    ttlSeconds: options.leafTtlSeconds,
    alter: (result) => result,
    async answer(request) {
      requests.push(request);
      const error = script.errors.shift();
      if (error !== undefined) return failure(error);
      const result = await issue(request);
      if (script.lose > 0) {
        script.lose -= 1;
        return undefined;
      }
      return script.alter(result);
    },
  };
  return script;
}

function failure(errorCode: string): RenewResult {
  const errorMessage = errorCode === "" ? "" : "the test says so";
  return { certificatesDer: [], trustBundle: undefined, errorCode, errorMessage, retryAfterMs: 0 };
}
