import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { IdentityHolder } from "@drawbridge/pki";
import { createHttpServer } from "@drawbridge/rpc";
import { createTestLogger, type TestCa } from "@drawbridge/testkit";
import type { ArtefactRef } from "@drawbridge/contracts/runtime/v1/app";

/** A config-resolver that serves what it was given, over the real HTTP server with real mTLS. */
export interface ScriptedResolver extends AsyncDisposable {
  readonly url: string;
  readonly requests: readonly { readonly path: string; readonly range: string | undefined }[];
  putBundle(bytes: Uint8Array): ArtefactRef;
  putConfiguration(document: object): ArtefactRef;
  /** Serve these bytes under a digest that is not theirs. */
  replace(digest: string, bytes: Uint8Array): void;
  /** Break the next answers after so many bytes. */
  breakAfterBytes: number | undefined;
  isAway: boolean;
}

export async function startScriptedResolver(ca: TestCa): Promise<ScriptedResolver> {
  const bodies = new Map<string, Uint8Array>();
  const requests: { readonly path: string; readonly range: string | undefined }[] = [];
  const put = (kind: "bundles" | "configurations", bytes: Uint8Array): ArtefactRef => {
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    const path = `/v1/${kind}/${digest}`;
    bodies.set(digest, bytes);
    return { digest, sizeBytes: BigInt(bytes.length), path };
  };
  const script: ScriptedResolver = {
    url: "",
    requests,
    putBundle: (bytes) => put("bundles", bytes),
    putConfiguration: (document) => put("configurations", Buffer.from(JSON.stringify(document))),
    replace: (digest, bytes) => void bodies.set(digest, bytes),
    breakAfterBytes: undefined,
    isAway: false,
    [Symbol.asyncDispose]: () => server.stop(AbortSignal.abort()),
  };
  const server = createHttpServer({
    name: "fabric",
    listen: { host: "127.0.0.1", port: 0 },
    identity: new IdentityHolder(await ca.issueService("config-resolver")),
    clientCertificate: "required",
    allow: [{ fabric: "agent" }],
    logger: createTestLogger().logger,
    register: (app) => {
      app.get("/v1/:kind/:digest", (request, reply) => {
        const range = request.headers.range;
        requests.push({ path: request.url, range });
        const { digest } = request.params as { readonly digest: string }; // named in the route
        const body = bodies.get(digest);
        if (script.isAway) return reply.code(503).send({ code: "ENTITLEMENT_UNKNOWN", detail: "try again" });
        if (body === undefined) return reply.code(403).send({ code: "ARTEFACT_NOT_ENTITLED", detail: "not yours" });
        const from = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
        if (from > 0) reply.code(206).header("content-range", `bytes ${from}-${body.length - 1}/${body.length}`);
        reply.header("content-length", body.length - from).type("application/octet-stream");
        const breakAfter = script.breakAfterBytes;
        if (breakAfter === undefined) return reply.send(Readable.from([Buffer.from(body.subarray(from))]));
        script.breakAfterBytes = undefined;
        return reply.send(Readable.from(brokenAfter(body.subarray(from), breakAfter)));
      });
    },
  });
  await server.start(new AbortController().signal);
  const { host, port } = server.address();
  return Object.assign(script, { url: `https://${host}:${port}` });
}

async function* brokenAfter(bytes: Uint8Array, count: number): AsyncGenerator<Buffer> {
  yield Buffer.from(bytes.subarray(0, count));
  await new Promise((resolve) => setTimeout(resolve, 20)); // the part is on its way before the connection breaks
  throw new Error("broken by the test");
}
