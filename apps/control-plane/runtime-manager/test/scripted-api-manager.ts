import { createHash } from "node:crypto";
import { join } from "node:path";
import { ConfigurationServiceService } from "@drawbridge/contracts/apis/v1/configuration_service";
import { RouteServiceService, type ReportRoutesRequest } from "@drawbridge/contracts/apis/v1/route_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { IdentityHolder, loadIdentityDir } from "@drawbridge/pki";
import { createGrpcServer, defineGrpcService } from "@drawbridge/rpc";
import { createTestLogger } from "@drawbridge/testkit";

const forever = new AbortController().signal;

export interface Published {
  readonly revision: bigint;
  readonly digest: string;
  readonly rootJws: string;
}

/** An api-manager that publishes what the test says: the real service on a real port with real TLS. */
export interface ScriptedApiManager extends AsyncDisposable {
  readonly address: string;
  /** Fabrics that were asked for, in order. */
  readonly asked: readonly string[];
  publish(fabricId: string, revision: bigint): Published;
  /** Keep an object; answers with its digest. */
  store(bytes: Buffer): Buffer;
  /** Observed routes, as they were told. */
  readonly routeReports: readonly ReportRoutesRequest[];
  /** Answers take until this has resolved. */
  slow: Promise<void>;
}

export async function startScriptedApiManager(identitiesDir: string): Promise<ScriptedApiManager> {
  const published = new Map<string, Published>();
  const objects = new Map<string, Buffer>();
  const asked: string[] = [];
  const routeReports: ReportRoutesRequest[] = [];
  const identity = new IdentityHolder(await loadIdentityDir(join(identitiesDir, "api-manager"), new Date()));
  const server = createGrpcServer({
    name: "api-manager",
    listen: { host: "127.0.0.1", port: 0 },
    identity,
    clientCertificate: "required",
    logger: createTestLogger().logger,
    services: [
      defineGrpcService(ConfigurationServiceService, {
        allow: { getRoot: [{ service: "runtime-manager" }], getObjects: [{ service: "runtime-manager" }] },
        handlers: {
          getRoot: async ({ fabricId, haveDigest }) => {
            asked.push(fabricId);
            await script.slow;
            const root = published.get(fabricId);
            if (!root) throw refused("unavailable", "API_CONFIGURATION_NOT_READY");
            const notModified = root.digest === haveDigest;
            return { ...root, notModified, rootJws: notModified ? "" : root.rootJws };
          },
          getObjects: async ({ digests }) => ({
            objects: digests.map((digest) => {
              const object = objects.get(digest.toString("hex"));
              if (!object) throw refused("not_found", "API_OBJECT_UNKNOWN");
              return object;
            }),
          }),
        },
      }),
      defineGrpcService(RouteServiceService, {
        allow: { reportRoutes: [{ service: "runtime-manager" }], listRoutes: [] },
        handlers: {
          reportRoutes: async (report) => {
            routeReports.push(report);
            return { kept: 0, leftOut: 0 };
          },
          listRoutes: () => Promise.reject(new Error("not asked for")),
        },
      }),
    ],
  });
  const script: ScriptedApiManager = {
    address: "",
    asked,
    routeReports,
    publish: (fabricId, revision) => {
      const rootJws = `root ${revision} of ${fabricId}`;
      const root = { revision, rootJws, digest: `sha256:${sha256(Buffer.from(rootJws)).toString("hex")}` };
      published.set(fabricId, root);
      return root;
    },
    store: (bytes) => {
      objects.set(sha256(bytes).toString("hex"), bytes);
      return sha256(bytes);
    },
    slow: Promise.resolve(),
    [Symbol.asyncDispose]: () => server.stop(AbortSignal.abort()),
  };
  await server.start(forever);
  return Object.assign(script, { address: `127.0.0.1:${server.address().port}` });
}

function sha256(bytes: Buffer): Buffer {
  return createHash("sha256").update(bytes).digest();
}

function refused(kind: "unavailable" | "not_found", code: string): DrawbridgeError {
  return new DrawbridgeError({ kind, code, message: "the test says so" });
}
