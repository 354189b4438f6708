import { createHash } from "node:crypto";
import { pipeline } from "node:stream/promises";
import { Writable } from "node:stream";
import {
  ConfigurationServiceService,
  type PutConfigurationRequest,
} from "@drawbridge/contracts/config/v1/configuration_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { defineGrpcService, type GrpcServiceDefinition } from "@drawbridge/rpc";
import type { FastifyInstance } from "fastify";

interface StoredBundle {
  readonly bytes: Buffer;
  readonly manifestJson: string;
}

/** Bundles and configuration in memory, with the HTTP routes of decision 12. */
export interface StandInConfigResolver {
  readonly service: GrpcServiceDefinition;
  readonly register: (app: FastifyInstance) => void;
  /** Thrown by the next upload. */
  failNextUpload: DrawbridgeError | undefined;
  readonly configurations: PutConfigurationRequest[];
  readonly partial: Map<string, Buffer>;
  /** Make a bundle known without an upload. */
  addBundle(manifest: object): string;
  /** While set, uploads are taken no further than their first bytes. */
  hold: Promise<void> | undefined;
  /** Bytes that uploads have brought so far. */
  receivedBytes: number;
  /** Tells of uploads: "start", "aborted". */
  readonly events: EventTarget;
}

export function standInConfigResolver(): StandInConfigResolver {
  const stored = new Map<string, StoredBundle>();
  const partial = new Map<string, Buffer>();
  const allow = [{ service: "management-api" }] as const;

  const service = defineGrpcService(ConfigurationServiceService, {
    allow: { putConfiguration: allow, getBundle: allow },
    handlers: {
      putConfiguration: async (request) => {
        self.configurations.push(request);
        const document = JSON.stringify([request.properties, request.secureProperties, request.sealedProperties]);
        const digest = digestOf(Buffer.from(`key:${document}`));
        return { digest, sizeBytes: BigInt(document.length), path: `/v1/configurations/${digest}` };
      },
      getBundle: async ({ digest }) => {
        const bundle = stored.get(digest);
        if (!bundle) {
          throw new DrawbridgeError({ kind: "not_found", code: "BUNDLE_NOT_FOUND", message: `no bundle ${digest}` });
        }
        return {
          digest,
          sizeBytes: BigInt(bundle.bytes.length),
          manifestJson: bundle.manifestJson,
          storedAt: new Date(0),
          path: `/v1/bundles/${digest}`,
        };
      },
    },
  });

  function register(app: FastifyInstance): void {
    app.addContentTypeParser("application/octet-stream", (_request, payload, done) => done(null, payload));
    app.head<{ Params: { digest: string } }>("/v1/bundles/:digest", (request, reply) => {
      const bundle = stored.get(request.params.digest);
      if (bundle) return reply.header("content-length", bundle.bytes.length).send();
      const offset = partial.get(request.params.digest)?.length ?? 0;
      return reply.code(404).header("upload-offset", offset).send();
    });
    app.patch<{ Params: { digest: string } }>("/v1/bundles/:digest", async (request, reply) => {
      const error = self.failNextUpload;
      self.failNextUpload = undefined;
      if (error) throw error;
      const { digest } = request.params;
      const offset = Number(request.headers["upload-offset"]);
      const total = Number(request.headers["upload-length"]);
      const before = partial.get(digest) ?? Buffer.alloc(0);
      if (offset !== before.length) {
        throw new DrawbridgeError({
          kind: "failed_precondition",
          code: "UPLOAD_OFFSET_MISMATCH",
          message: `the upload goes on at ${before.length}, not at ${offset}`,
        });
      }
      self.events.dispatchEvent(new Event("start"));
      const chunks: Buffer[] = [];
      const sink = new Writable({
        highWaterMark: 65_536,
        write: (chunk: Buffer, _encoding, done) => {
          self.receivedBytes += chunk.length;
          chunks.push(chunk);
          void (self.hold ?? Promise.resolve()).then(() => done());
        },
      });
      try {
        await pipeline(request.raw, sink);
      } catch (error) {
        partial.set(digest, Buffer.concat([before, ...chunks]));
        self.events.dispatchEvent(new Event("aborted"));
        throw error;
      }
      const bytes = Buffer.concat([before, ...chunks]);
      partial.set(digest, bytes);
      if (bytes.length < total) return reply.code(204).header("upload-offset", bytes.length).send();
      partial.delete(digest);
      if (digestOf(bytes) !== digest) {
        throw new DrawbridgeError({
          kind: "invalid_argument",
          code: "BUNDLE_DIGEST_MISMATCH",
          message: `the bytes are ${digestOf(bytes)}, not ${digest}`,
        });
      }
      stored.set(digest, { bytes, manifestJson: JSON.stringify(aManifest()) });
      return reply.code(201).header("upload-offset", bytes.length).send();
    });
  }

  const self: StandInConfigResolver = {
    service,
    register,
    failNextUpload: undefined,
    configurations: [],
    partial,
    addBundle: (manifest) => {
      const manifestJson = JSON.stringify(manifest);
      const bytes = Buffer.from(manifestJson);
      stored.set(digestOf(bytes), { bytes, manifestJson });
      return digestOf(bytes);
    },
    hold: undefined,
    receivedBytes: 0,
    events: new EventTarget(),
  };
  return self;
}

export function aManifest(parts: object = {}): object {
  return {
    apiVersion: "drawbridge/v1",
    name: "hello",
    version: "1.0.0",
    runtime: { command: ["node", "s.js"] },
    ...parts,
  };
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
