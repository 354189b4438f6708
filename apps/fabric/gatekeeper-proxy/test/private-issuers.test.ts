import type { RequestListener } from "node:http";
import { createPrivateCa } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { startGateway } from "./support/policy-gateway.ts";
import { startServer } from "./support/start-server.ts";
import { createTokenIssuer } from "./support/token-issuer.ts";

const { publicJwk, aToken } = createTokenIssuer();
const audiences = ["orders"];
const inTenMinutes = Math.floor(Date.now() / 1000) + 600;

/** Keys, an introspection endpoint and a discovery document, all at one address. */
const issuerAt =
  (url: () => string): RequestListener =>
  (incoming, response) => {
    const answers: Readonly<Record<string, unknown>> = {
      "/keys": { keys: [publicJwk] },
      "/introspect": { active: true, aud: "orders", exp: inTenMinutes },
      "/.well-known/openid-configuration": {
        issuer: url(),
        jwks_uri: `${url()}/keys`,
        introspection_endpoint: `${url()}/introspect`,
      },
    };
    response.end(JSON.stringify(answers[incoming.url ?? ""]));
  };

const asks = [
  [
    "keys",
    "jwt-validation",
    (url: string, trust: object) => ({
      issuers: [url],
      audiences,
      algorithms: ["ES256"],
      keys: { source: "jwks", url: `${url}/keys`, ...trust },
    }),
  ],
  [
    "an introspection endpoint",
    "oauth2-introspection",
    (url: string, trust: object) => ({
      endpoint: `${url}/introspect`,
      clientId: "gateway",
      clientSecret: "secret",
      ...trust,
    }),
  ],
  [
    "a discovery document, and the keys that it names",
    "openid-connect",
    (url: string, trust: object) => ({
      issuer: url,
      audiences,
      check: { by: "signature", algorithms: ["ES256"] },
      ...trust,
    }),
  ],
  [
    "a discovery document, and the introspection endpoint that it names",
    "openid-connect",
    (url: string, trust: object) => ({
      issuer: url,
      audiences,
      check: { by: "introspection", clientId: "gateway", clientSecret: "secret" },
      ...trust,
    }),
  ],
] as const;

test.each(asks)(
  "%s under a private CA: %s asks there if it names the CA, and never if it names none or another",
  async (_what, type, configure) => {
    const ca = await createPrivateCa();
    const stranger = await createPrivateCa();
    let url = "";
    await using issuer = await startServer(
      issuerAt(() => url),
      await ca.issueServer("127.0.0.1"),
    );
    url = `https://127.0.0.1:${issuer.port}`;
    await using upstream = await startServer((_, response) => response.end("hello"));
    const authorization = `Bearer ${aToken({ iss: url, aud: "orders", exp: inTenMinutes })}`;
    const statusWith = async (trust: object): Promise<number> => {
      await using gateway = await startGateway(upstream, [{ type, configuration: configure(url, trust) }]);
      return (await gateway.ask({ headers: { authorization } })).status;
    };
    expect(await statusWith({})).toBe(503);
    expect(await statusWith({ caCertificates: [stranger.certificatePem] })).toBe(503);
    expect(issuer.requests, "nothing was sent to who could not be believed").toEqual([]);
    expect(upstream.requests).toEqual([]);
    expect(await statusWith({ caCertificates: [stranger.certificatePem, ca.certificatePem] })).toBe(200);
    expect(upstream.requests).toHaveLength(1);
  },
);
