import { createHash, createPublicKey, randomBytes, randomUUID, verify } from "node:crypto";
import type { ActivateResponse } from "@drawbridge/contracts/activation/v1/activation_service";
import {
  RecoveryServiceService,
  type CompleteRecoveryRequest,
} from "@drawbridge/contracts/activation/v1/recovery_service";
import { DrawbridgeError } from "@drawbridge/errors";
import {
  chainToPem,
  generateKeyPair,
  IdentityHolder,
  parseCsr,
  spiffeId,
  validateIdentity,
  type KeyPair,
  type TrustBundle,
} from "@drawbridge/pki";
import { createGrpcServer, defineGrpcService } from "@drawbridge/rpc";
import { createTestLogger, type TestCa } from "@drawbridge/testkit";
import { writeFileAtomic } from "../../src/state/atomic-file.ts";
import { agentId, fabricId, org, type TestFabric } from "./test-fabric.ts";

/** activation's RecoveryService: it checks the proof and the join state, and the same keys get the same answer. */
export interface ScriptedRecovery extends AsyncDisposable {
  readonly address: string;
  /** The answers that were made, in order. */
  readonly identities: readonly ActivateResponse[];
  readonly requests: readonly CompleteRecoveryRequest[];
  /** What agents that ask for the succession are told. */
  links: readonly string[];
  /** Refuse with this instead. */
  refusal: DrawbridgeError | undefined;
  /** Put what an activation leaves into the fabric's state folder, with a certificate of this life. */
  enrol(
    fabric: TestFabric,
    tunnel: readonly string[],
    issue: { readonly ttlSeconds: number; readonly now: Date },
  ): Promise<void>;
}

const sha256 = (content: Uint8Array | string): string => createHash("sha256").update(content).digest("base64url");

/** `roots`: the CA that signs from now on, and the bundle that is told, where it is another than the fabric's own. */
export async function startScriptedRecovery(
  ca: TestCa,
  roots: { readonly trustBundle: TrustBundle } = ca,
): Promise<ScriptedRecovery> {
  const recoveryKey = await generateKeyPair();
  const challenges = new Map<string, Buffer>();
  const answers = new Map<string, ActivateResponse>();
  const requests: CompleteRecoveryRequest[] = [];
  let joinState = "js1.first";

  async function issue(csrDer: Buffer, id: string) {
    const { spkiDer } = await parseCsr(csrDer);
    const leaf = await ca.sign(spkiDer, id, { now: new Date() });
    const certificatesDer = [Buffer.from(leaf.certificateDer), Buffer.from(ca.issuingDer)];
    return { serialNumber: leaf.serialNumber, certificatesDer, notAfter: leaf.notAfter };
  }

  async function complete(request: CompleteRecoveryRequest): Promise<ActivateResponse> {
    requests.push(request);
    const nonce = challenges.get(request.challengeId);
    challenges.delete(request.challengeId);
    if (nonce === undefined || !isProven(request, nonce, recoveryKey))
      throw refused("RECOVERY_REFUSED", "unauthenticated");
    if (script.refusal) throw script.refusal;
    const keys = sha256(Buffer.concat([request.csrDer, request.monitoringCsrDer]));
    const claim = `${await spkiOf(request.csrDer)} ${await spkiOf(request.monitoringCsrDer)} ${request.joinState}`;
    const known = answers.get(claim);
    if (known) return { ...known, replayed: true };
    if (request.joinState !== joinState) throw refused("AGENT_LOCKED", "permission_denied");
    joinState = `js1.${keys.slice(0, 10)}`;
    const { trustDomain } = ca;
    const response: ActivateResponse = {
      fabricId,
      fabricName: "berlin",
      agentId,
      certificate: await issue(request.csrDer, spiffeId.agent({ trustDomain, org, fabricId, agentId })),
      monitoringCertificate: await issue(request.monitoringCsrDer, spiffeId.collector({ trustDomain, org, fabricId })),
      trustBundleSequence: roots.trustBundle.sequence,
      trustBundleRootsDer: roots.trustBundle.rootsDer.map((der) => Buffer.from(der)),
      trustDomain,
      endpoints: {
        tunnel: [...tunnels],
        configResolver: "https://127.0.0.1:9",
        activation: [script.address],
        monitoring: "",
      },
      serverTime: new Date(),
      registryLogin: undefined,
      replayed: false,
      joinState,
    };
    answers.set(claim, response);
    return response;
  }

  let tunnels: readonly string[] = [];
  const script: ScriptedRecovery = {
    address: "",
    get identities() {
      return [...answers.values()];
    },
    requests,
    links: [],
    refusal: undefined,
    enrol: async (fabric, tunnel, issue) => {
      tunnels = tunnel;
      await fabric.activate({ tunnel, activation: [script.address] }, issue);
      await writeFileAtomic(fabric.layout.recoveryKey, recoveryKey.privateKeyPem());
      await writeFileAtomic(fabric.layout.joinState, joinState);
    },
    [Symbol.asyncDispose]: () => server.stop(AbortSignal.abort()),
  };
  const server = createGrpcServer({
    name: "fabric",
    listen: { host: "127.0.0.1", port: 0 },
    identity: new IdentityHolder(await serverIdentity(ca, roots.trustBundle)),
    clientCertificate: "none",
    logger: createTestLogger().logger,
    services: [
      defineGrpcService(RecoveryServiceService, {
        allow: { beginRecovery: ["anyone"], completeRecovery: ["anyone"], getTrustSuccession: ["anyone"] },
        handlers: {
          beginRecovery: () => {
            const [challengeId, nonce] = [randomUUID(), randomBytes(32)];
            challenges.set(challengeId, nonce);
            const now = new Date();
            return Promise.resolve({
              challengeId,
              nonce,
              expiresAt: new Date(now.getTime() + 60_000),
              serverTime: now,
            });
          },
          completeRecovery: async (request) => ({ identity: await complete(request) }),
          getTrustSuccession: () => Promise.resolve({ links: [...script.links] }),
        },
      }),
    ],
  });
  await server.start(new AbortController().signal);
  const { host, port } = server.address();
  return Object.assign(script, { address: `${host}:${port}` });
}

async function serverIdentity(ca: TestCa, trustBundle: TrustBundle) {
  const own = await ca.issueService("activation");
  const material = { certificateChainPem: chainToPem(own.chainDer), privateKeyPem: own.privateKeyPem, trustBundle };
  return validateIdentity(material, new Date());
}

async function spkiOf(csrDer: Buffer): Promise<string> {
  return (await parseCsr(csrDer)).spkiSha256;
}

function isProven(request: CompleteRecoveryRequest, nonce: Buffer, { spkiDer }: KeyPair): boolean {
  const text = [
    "drawbridge-recovery-v1",
    request.challengeId,
    nonce.toString("base64url"),
    request.agentId,
    sha256(request.csrDer),
    sha256(request.monitoringCsrDer),
    request.certificateSerial,
    sha256(request.joinState),
  ].join("\n");
  const key = createPublicKey({ key: Buffer.from(spkiDer), format: "der", type: "spki" });
  return verify("sha256", Buffer.from(text), { key, dsaEncoding: "der" }, request.signature);
}

function refused(code: string, kind: "unauthenticated" | "permission_denied"): DrawbridgeError {
  return new DrawbridgeError({ kind, code, message: "refused by the script" });
}
