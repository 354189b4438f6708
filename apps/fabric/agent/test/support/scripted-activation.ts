import { randomBytes } from "node:crypto";
import {
  ActivationServiceService,
  type ActivateResponse,
} from "@drawbridge/contracts/activation/v1/activation_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { IdentityHolder, parseCsr, spiffeId } from "@drawbridge/pki";
import { createGrpcServer, defineGrpcService } from "@drawbridge/rpc";
import { createTestLogger, type TestCa } from "@drawbridge/testkit";
import { agentId, fabricId, org } from "./test-fabric.ts";

/** An activation service that keeps the promise of design R3: the same token with the same keys gives the same identity. */
export interface ScriptedActivation extends AsyncDisposable {
  readonly address: string;
  /** A token for this server. */
  makeToken(change?: {
    readonly endpoints?: string;
    readonly expiresAt?: Date;
    readonly pins?: readonly string[];
  }): string;
  /** Identities that were made: one per redeemed token. */
  readonly identities: readonly ActivateResponse[];
  /** How often it was called. */
  readonly calls: number;
  /** Change the answer before it is sent. */
  alter: (response: ActivateResponse) => ActivateResponse;
  /** Whether an operator approved the agent with this tunnel key; asked at each call. */
  isApproved: (keySha256: string) => boolean;
  /** The server's clock. */
  now: () => Date;
}

export async function startScriptedActivation(ca: TestCa, service = "activation"): Promise<ScriptedActivation> {
  const answers = new Map<string, { readonly keys: string; readonly response: ActivateResponse }>();
  let calls = 0;
  const script: ScriptedActivation = {
    address: "",
    get identities() {
      return [...answers.values()].map(({ response }) => response);
    },
    get calls() {
      return calls;
    },
    alter: (response) => response,
    isApproved: () => true,
    now: () => new Date(),
    makeToken: (change = {}) => {
      const expiresAt = change.expiresAt ?? new Date(Date.now() + 1_800_000);
      const claims = {
        v: 1,
        cp: change.endpoints ?? script.address,
        tid: "0190b8a0-0000-7000-8000-00000000d0" + randomBytes(1).toString("hex"),
        exp: Math.floor(expiresAt.getTime() / 1_000),
        pins: change.pins ?? ca.pins,
      };
      const middle = Buffer.from(JSON.stringify(claims)).toString("base64url");
      return `fat1.${middle}.${randomBytes(32).toString("base64url")}`;
    },
    [Symbol.asyncDispose]: () => server.stop(AbortSignal.abort()),
  };
  const server = createGrpcServer({
    name: "fabric",
    listen: { host: "127.0.0.1", port: 0 },
    identity: new IdentityHolder(await ca.issueService(service)),
    clientCertificate: "none",
    logger: createTestLogger().logger,
    services: [
      defineGrpcService(ActivationServiceService, {
        allow: { activate: ["anyone"] },
        handlers: {
          activate: async (request) => {
            calls += 1;
            const tunnelKey = await parseCsr(request.csrDer);
            const monitoringKey = await parseCsr(request.monitoringCsrDer);
            const keys = `${tunnelKey.spkiSha256} ${monitoringKey.spkiSha256}`;
            if (!script.isApproved(tunnelKey.spkiSha256)) {
              throw new DrawbridgeError({
                kind: "failed_precondition",
                code: "ACTIVATION_NOT_APPROVED",
                message: "this agent waits for approval: drawbridge fabric token approve",
                retryAfterMs: 10,
              });
            }
            const known = answers.get(request.token);
            if (known && known.keys !== keys) {
              throw new DrawbridgeError({
                kind: "failed_precondition",
                code: "ACTIVATION_TOKEN_USED",
                message: "the activation token was used already",
              });
            }
            if (known) return script.alter({ ...known.response, replayed: true });
            const issue = async (spkiDer: Uint8Array, id: string) => {
              const leaf = await ca.sign(spkiDer, id, { now: script.now() });
              return {
                serialNumber: leaf.serialNumber,
                certificatesDer: [Buffer.from(leaf.certificateDer), Buffer.from(ca.issuingDer)],
                notAfter: leaf.notAfter,
              };
            };
            const { trustDomain } = ca;
            const response: ActivateResponse = {
              fabricId,
              fabricName: "berlin",
              agentId,
              certificate: await issue(tunnelKey.spkiDer, spiffeId.agent({ trustDomain, org, fabricId, agentId })),
              monitoringCertificate: await issue(
                monitoringKey.spkiDer,
                spiffeId.collector({ trustDomain, org, fabricId }),
              ),
              trustBundleSequence: ca.trustBundle.sequence,
              trustBundleRootsDer: ca.trustBundle.rootsDer.map((der) => Buffer.from(der)),
              trustDomain,
              endpoints: {
                tunnel: ["127.0.0.1:7420"],
                configResolver: "https://127.0.0.1:7430",
                activation: [script.address],
                monitoring: "",
              },
              serverTime: script.now(),
              registryLogin: undefined,
              replayed: false,
              joinState: `js1.${agentId}`,
            };
            answers.set(request.token, { keys, response });
            return script.alter(response);
          },
        },
      }),
    ],
  });
  await server.start(new AbortController().signal);
  const { host, port } = server.address();
  return Object.assign(script, { address: `${host}:${port}` });
}
