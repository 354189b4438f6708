import { trustBundleToJson } from "@drawbridge/pki";
import type { createHttpServer } from "@drawbridge/rpc";
import type { Authority } from "../ca/authority.ts";

export interface PublicRoutesDeps {
  readonly authority: Pick<Authority, "get">;
  /** DER. */
  readonly revocationList: () => Promise<Uint8Array>;
}

type Register = Parameters<typeof createHttpServer>[0]["register"];

/** What anybody may read: it is signed, or worthless without a signature. */
export function publicRoutes({ authority, revocationList }: PublicRoutesDeps): Register {
  return (app) => {
    app.get("/v1/trust-bundle", (_request, reply) => {
      const { trustBundle } = authority.get();
      return reply
        .header("cache-control", `max-age=${trustBundle.refreshHintSeconds}`)
        .type("application/json; charset=utf-8")
        .send(trustBundleToJson(trustBundle));
    });
    app.get("/v1/crl", async (_request, reply) => {
      const list = await revocationList();
      return reply.type("application/pkix-crl").send(Buffer.from(list));
    });
  };
}
