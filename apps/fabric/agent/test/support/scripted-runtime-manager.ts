import { createHash } from "node:crypto";
import type { ApiRoutes } from "@drawbridge/contracts/apis/v1/route";
import { ConfigurationRoot } from "@drawbridge/contracts/apis/v1/configuration";
import { Snapshot, type AppSpec } from "@drawbridge/contracts/runtime/v1/app";
import {
  TunnelServiceService,
  type ConnectRequest,
  type ApiConfigurationMark,
  type ConnectResponse,
  type GetApiConfigurationResponse,
  type GetSnapshotResponse,
  type Renew,
  type RenewResult,
  type Welcome,
} from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { IdentityHolder, signJws, type IdentitySnapshot, type TrustBundle } from "@drawbridge/pki";
import { createGrpcServer, defineGrpcService, type HandlerOf } from "@drawbridge/rpc";
import { createTestLogger, type TestCa } from "@drawbridge/testkit";
import { aLink } from "./a-link.ts";
import { createScriptedAnalytics, type ScriptedAnalytics } from "./scripted-analytics.ts";
import { createScriptedRenewals, type ScriptedRenewals } from "./scripted-renewals.ts";

type AgentFrame = NonNullable<ConnectRequest["frame"]>;
type FrameOf<C extends AgentFrame["$case"]> = Extract<AgentFrame, { $case: C }>["value"];

/** One tunnel as the control plane sees it. */
export interface ScriptedSession {
  readonly frames: readonly ConnectRequest[];
  /** The first frame of this kind that was not taken before and fits. */
  next<C extends AgentFrame["$case"]>(
    kind: C,
    fits?: (value: FrameOf<C>) => boolean,
  ): Promise<{ readonly value: FrameOf<C>; readonly seq: bigint; readonly correlationId: string }>;
  send(frame: NonNullable<ConnectResponse["frame"]>, correlationId?: string): void;
  /** From now on this session says nothing by itself, as a stopped process does; the connection stays open. */
  freeze(): void;
  /** End the stream with a status. */
  fail(error: DrawbridgeError): void;
  readonly ended: Promise<void>;
  /** Serial number of the certificate that it was opened with. */
  readonly serialNumber: string;
}

/** A runtime-manager that does what the test says: the real service on a real port with real TLS. */
export interface ScriptedRuntimeManager extends AsyncDisposable {
  readonly address: string;
  readonly sessions: readonly ScriptedSession[];
  /** The n-th session, from 0, when it has said Hello. */
  session(index: number): Promise<ScriptedSession>;
  /** The control plane's clock. */
  now: () => Date;
  /** What the next Welcome says. */
  welcome: Partial<Welcome>;
  /** Refuse the next Hello with this. */
  refuseNext: DrawbridgeError | undefined;
  /** Refuse a Hello for what its certificate is. */
  refuse: (peer: { readonly serialNumber: string }) => DrawbridgeError | undefined;
  /** Answer the next Hello with a kick for this reason. */
  kickNext: string | undefined;
  acknowledgesStatus: boolean;
  /** Answers `Renew`: by default a certificate of the test's CA, the same one for the same request. */
  renewals: ScriptedRenewals;
  readonly analytics: ScriptedAnalytics;
  /** Kick the sessions of an agent whose newer one has said Hello, as runtime-manager may. */
  kicksSuperseded: boolean;
  /** Make this the wish, signed, and tell every session. */
  desire(snapshot: Partial<Snapshot>): Promise<{ readonly digest: string; readonly jws: string }>;
  /** The next answers to GetSnapshot are what this makes of the true one. */
  tamper: (response: GetSnapshotResponse) => GetSnapshotResponse;
  readonly snapshotRequests: number;
  /** Sign this as what gateways should enforce; sessions are told, and those that come. */
  publish(change?: Partial<ConfigurationRoot>): Promise<ApiConfigurationMark>;
  /** Keep a part of it; answers with its digest. */
  keepObject(bytes: Buffer): Buffer;
  /** Requests for parts, as they came. */
  readonly objectRequests: readonly (readonly Buffer[])[];
  /** Routes of gateways, as they arrived. */
  readonly routeReports: readonly (readonly ApiRoutes[])[];
  /** Answers to them take until this has resolved. */
  objectsHeld: Promise<void>;
  /** Cut every connection without a word. */
  cut(): void;
}

export interface ScriptOptions {
  readonly ca: TestCa;
  readonly fabricId: string;
  readonly port?: number;
  readonly signer?: IdentitySnapshot;
  /** A root that the control plane trusts besides its own, and under which it issues. */
  readonly rotatesTo?: TestCa;
  /** Of renewed certificates. Default 7 days. */
  readonly leafTtlSeconds?: number;
}

export async function startScriptedRuntimeManager(options: ScriptOptions): Promise<ScriptedRuntimeManager> {
  const identity = await options.ca.issueService("runtime-manager");
  const signer = options.signer ?? identity;
  const issuer = options.rotatesTo ?? options.ca;
  const trustBundle: TrustBundle = {
    ...identity.trustBundle,
    ...(options.rotatesTo && {
      sequence: identity.trustBundle.sequence + 1n,
      rootsDer: [...identity.trustBundle.rootsDer, ...options.rotatesTo.trustBundle.rootsDer],
    }),
  };
  const succession = options.rotatesTo ? [aLink(options.ca, trustBundle)] : [];
  const sessions: ScriptedSession[] = [];
  const arrivals: { readonly index: number; readonly resolve: (session: ScriptedSession) => void }[] = [];
  let desired: GetSnapshotResponse = { notModified: false, generation: 0n, digest: "", snapshotJws: "" };
  let snapshotRequests = 0;
  let published: GetApiConfigurationResponse | undefined;
  const objects = new Map<string, Buffer>();
  const objectRequests: (readonly Buffer[])[] = [];
  const routeReports: (readonly ApiRoutes[])[] = [];

  const script: ScriptedRuntimeManager = {
    address: "",
    sessions,
    session: (index) => {
      const here = sessions[index];
      if (here) return Promise.resolve(here);
      const arrival = Promise.withResolvers<ScriptedSession>();
      arrivals.push({ index, resolve: arrival.resolve });
      return arrival.promise;
    },
    now: () => new Date(),
    welcome: {},
    refuseNext: undefined,
    refuse: () => undefined,
    kickNext: undefined,
    renewals: createScriptedRenewals({ ...options, ca: issuer, trustBundle, succession, now: () => script.now() }),
    analytics: createScriptedAnalytics(() => script.now()),
    kicksSuperseded: false,
    acknowledgesStatus: true,
    tamper: (response) => response,
    objectRequests,
    routeReports,
    objectsHeld: Promise.resolve(),
    keepObject: (bytes) => {
      const digest = createHash("sha256").update(bytes).digest();
      objects.set(digest.toString("hex"), bytes);
      return digest;
    },
    async publish(change = {}) {
      const root = ConfigurationRoot.fromPartial({
        fabricId: options.fabricId,
        incarnationId: "incarnation-1",
        revision: (published?.mark?.revision ?? 0n) + 1n,
        issuedAt: new Date(),
        ...change,
      });
      const payload = Buffer.from(JSON.stringify(ConfigurationRoot.toJSON(root)));
      const mark = { revision: root.revision, digest: `sha256:${createHash("sha256").update(payload).digest("hex")}` };
      const apiManager = await options.ca.issueService("api-manager");
      const rootJws = await signJws({ payload, signer: apiManager, type: "drawbridge-apis+jws" });
      published = { notModified: false, mark, rootJws };
      script.welcome = { ...script.welcome, apiConfiguration: mark };
      for (const session of sessions) session.send({ $case: "apiConfigurationChanged", value: mark });
      return mark;
    },
    get snapshotRequests() {
      return snapshotRequests;
    },
    async desire(change) {
      const snapshot = Snapshot.fromPartial({
        fabricId: options.fabricId,
        incarnationId: "incarnation-1",
        complete: true,
        issuedAt: new Date(),
        ...change,
      });
      const payload = Buffer.from(JSON.stringify(Snapshot.toJSON(snapshot)));
      const digest = `sha256:${createHash("sha256").update(payload).digest("hex")}`;
      const jws = await signJws({ payload, signer, type: "drawbridge-snapshot+jws" });
      desired = { notModified: false, generation: snapshot.generation, digest, snapshotJws: jws };
      for (const session of sessions) {
        session.send({ $case: "notify", value: { generation: snapshot.generation, digest } });
      }
      return { digest, jws };
    },
    cut: () => {
      for (const connection of server.connections()) connection.close("cut by the test");
    },
    [Symbol.asyncDispose]: () => server.stop(AbortSignal.abort()),
  };

  const server = createGrpcServer({
    name: "fabric",
    listen: { host: "127.0.0.1", port: options.port ?? 0 },
    identity: new IdentityHolder({ ...identity, trustBundle }),
    clientCertificate: "required",
    logger: createTestLogger().logger,
    services: [
      defineGrpcService(TunnelServiceService, {
        allow: {
          connect: [{ fabric: "agent" }],
          getSnapshot: [{ fabric: "agent" }],
          getApiConfiguration: [{ fabric: "agent" }],
          getApiObjects: [{ fabric: "agent" }],
          reportRoutes: [{ fabric: "agent" }],
          getAnalyticsAccess: [{ fabric: "agent" }],
        },
        handlers: {
          getApiConfiguration: ({ haveDigest }) => {
            if (!published) return Promise.reject(refusal("unavailable", "API_CONFIGURATION_NOT_READY"));
            const notModified = published.mark?.digest === haveDigest;
            return Promise.resolve({ ...published, notModified, rootJws: notModified ? "" : published.rootJws });
          },
          getApiObjects: async ({ digests }) => {
            objectRequests.push(digests);
            await script.objectsHeld;
            const found = digests.map((digest) => objects.get(digest.toString("hex")));
            if (found.includes(undefined)) throw refusal("not_found", "API_OBJECT_UNKNOWN");
            return { objects: found.filter((object) => object !== undefined) };
          },
          reportRoutes: async ({ apis }) => {
            routeReports.push(apis);
            return {};
          },
          getAnalyticsAccess: () => script.analytics.answer(),
          connect: async (call, { peer }) => {
            const session = createSession(call, peer?.serialNumber ?? "", {
              renew: (request) => script.renewals.answer(request),
              now: () => script.now(),
              welcome: () => ({
                sessionId: `session-${sessions.length}`,
                epoch: 1n,
                protocol: 1,
                serverTime: script.now(),
                heartbeatMs: 15_000,
                deadAfterMs: 45_000,
                reconnectWindowMs: 0,
                desiredGeneration: desired.generation,
                desiredDigest: desired.digest,
                replica: "runtime-manager-0",
                monitoringUrl: "",
                clockSkewWarnSeconds: 60,
                clockSkewFailSeconds: 300,
                ...script.welcome,
              }),
              refusal: () => {
                const refusal = script.refuseNext ?? script.refuse({ serialNumber: peer?.serialNumber ?? "" });
                script.refuseNext = undefined;
                return refusal;
              },
              kick: () => {
                const reason = script.kickNext;
                script.kickNext = undefined;
                return reason;
              },
              acknowledges: () => script.acknowledgesStatus,
              desired: () => desired,
              onHello: (arrived) => {
                if (script.kicksSuperseded)
                  for (const earlier of sessions)
                    earlier.send({ $case: "kick", value: { reason: "EPOCH_SUPERSEDED" } });
                sessions.push(arrived);
                for (const { index, resolve } of arrivals) if (index === sessions.length - 1) resolve(arrived);
              },
            });
            await session.over;
          },
          getSnapshot: async (request) => {
            snapshotRequests += 1;
            const isCurrent = request.haveDigest === desired.digest;
            return script.tamper(
              isCurrent ? { notModified: true, generation: 0n, digest: "", snapshotJws: "" } : desired,
            );
          },
        },
      }),
    ],
  });
  await server.start(new AbortController().signal);
  const { host, port } = server.address();
  return Object.assign(script, { address: `${host}:${port}` });
}

interface SessionHooks {
  readonly welcome: () => Welcome;
  readonly now: () => Date;
  readonly refusal: () => DrawbridgeError | undefined;
  readonly kick: () => string | undefined;
  readonly acknowledges: () => boolean;
  readonly renew: (request: Renew) => Promise<RenewResult | undefined>;
  readonly desired: () => GetSnapshotResponse;
  readonly onHello: (session: ScriptedSession) => void;
}

type TunnelCall = Parameters<HandlerOf<(typeof TunnelServiceService)["connect"]>>[0];

function createSession(call: TunnelCall, serialNumber: string, hooks: SessionHooks) {
  const frames: ConnectRequest[] = [];
  const over = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  let taken = 0;
  let seq = 0n;
  let isFrozen = false;
  let wake = Promise.withResolvers<void>();

  const session: ScriptedSession = {
    frames,
    ended: ended.promise,
    serialNumber,
    send(frame, correlationId = "") {
      if (isFrozen) return;
      seq += 1n;
      call.write({ seq, ack: 0n, correlationId, frame });
    },
    async next(kind, fits = () => true) {
      for (;;) {
        for (; taken < frames.length; taken += 1) {
          const received = frames[taken];
          if (received?.frame?.$case !== kind) continue;
          const value = received.frame.value as FrameOf<typeof kind>; // the case was compared with the kind
          if (!fits(value)) continue;
          taken += 1;
          return { value, seq: received.seq, correlationId: received.correlationId };
        }
        await wake.promise;
      }
    },
    freeze: () => {
      isFrozen = true;
    },
    fail: (error) => over.reject(error),
  };

  function hear(request: ConnectRequest): void {
    frames.push(request);
    if (request.frame?.$case === "hello") {
      const refusal = hooks.refusal();
      if (refusal) {
        over.reject(refusal);
        return;
      }
      const reason = hooks.kick();
      if (reason !== undefined) {
        session.send({ $case: "kick", value: { reason } });
        return;
      }
      session.send({ $case: "welcome", value: hooks.welcome() });
      hooks.onHello(session);
    } else if (request.frame?.$case === "heartbeat") {
      const { generation, digest } = hooks.desired();
      const value = { serverTime: hooks.now(), desiredGeneration: generation, desiredDigest: digest };
      session.send({ $case: "heartbeatAck", value });
    } else if (request.frame?.$case === "renew") {
      void hooks.renew(request.frame.value).then((value) => {
        if (value) session.send({ $case: "renewResult", value }, request.correlationId);
      });
    } else if (request.frame?.$case === "status" && hooks.acknowledges()) {
      session.send({ $case: "statusAck", value: { statusSeq: request.seq } });
    }
    wake.resolve();
    wake = Promise.withResolvers<void>();
  }

  call.on("data", hear);
  call.on("end", () => over.resolve());
  call.on("error", () => over.resolve());
  call.on("cancelled", () => over.resolve());
  void over.promise.catch(() => undefined).then(() => ended.resolve());
  return { over: over.promise };
}

function refusal(kind: "unavailable" | "not_found", code: string): DrawbridgeError {
  return new DrawbridgeError({ kind, code, message: code });
}

/** A bundle that nobody has. */
const nowhere = `sha256:${"0".repeat(64)}`;

/** A spec of an app; its digest follows from what it says. */
export function aSpec(change: Partial<AppSpec> & Pick<AppSpec, "appId">): AppSpec {
  const spec: AppSpec = {
    name: "shop",
    environment: "test",
    generation: 1n,
    revision: 1n,
    version: "1.0.0",
    desiredState: 1,
    replicas: 1,
    restartNonce: "",
    bundle: { digest: nowhere, sizeBytes: 1_000n, path: `/v1/bundles/${nowhere}` },
    publicPort: 0,
    routes: [],
    strategy: { maxSurge: 1, readyTimeoutSeconds: 20, drainTimeoutSeconds: 5 },
    specDigest: "",
    traceparent: "",
    gatekeeper: "",
    gatekeeperSource: "",
    ...change,
  };
  const text = JSON.stringify(spec, (_key, value: unknown) => (typeof value === "bigint" ? value.toString() : value));
  return { ...spec, specDigest: change.specDigest ?? `sha256:${createHash("sha256").update(text).digest("hex")}` };
}
