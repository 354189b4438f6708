import { uuidV7Ids } from "@drawbridge/lifecycle";
import { chainToPem, createCsr, createTrustBundle, generateKeyPair, validateIdentity } from "@drawbridge/pki";
import { startTestNats, startTestPostgres } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  bootstrap,
  createFiles,
  migrations,
  startAuthority,
  type AuthorityClient,
  type RunningAuthority,
} from "./harness.ts";

const stack = new AsyncDisposableStack();
let authority: RunningAuthority;
beforeAll(async () => {
  const postgres = stack.use(await startTestPostgres());
  const nats = stack.use(await startTestNats());
  const database = stack.use(await postgres.createDatabase({ schema: "cert_authority", migrations }));
  const backing = { databaseUrl: database.url, nats };
  const files = stack.use(await createFiles(backing));
  await bootstrap(files);
  authority = stack.use(await startAuthority(files, backing));
}, 120_000);
afterAll(() => stack.disposeAsync(), 60_000);

async function renew(client: AuthorityClient) {
  const keyPair = await generateKeyPair();
  const csrDer = Buffer.from(await createCsr(keyPair));
  const { certificate, trustBundle } = await client.issueServiceCertificate({ requestId: uuidV7Ids.next(), csrDer });
  if (!certificate || !trustBundle) throw new Error("nothing was issued");
  return validateIdentity(
    {
      certificateChainPem: chainToPem([certificate.certificateDer, ...certificate.chainDer]),
      privateKeyPem: keyPair.privateKeyPem(),
      trustBundle: createTrustBundle(trustBundle),
    },
    new Date(),
  );
}

test("a revoked service is not given the next certificate, from the moment of the answer on (REN 6)", async () => {
  const managementApi = await authority.clientOf("management-api");
  const copied = await renew(await authority.clientOf("config-resolver"));
  const thief = authority.clientWith(copied);
  await thief.getTrustBundle({});
  const target = { $case: "serialNumber", value: copied.serialNumber } as const;
  await managementApi.revokeCertificates({ target, reason: "folder copied" });
  let code = "";
  // Its connection is cut in the same moment; whatever comes first, nothing is issued.
  while (code === "" || code === "PEER_UNAVAILABLE") {
    code = await renew(thief).then(
      () => "ISSUED",
      (error: { readonly code: string }) => error.code,
    );
  }
  expect(code).toBe("CERTIFICATE_REVOKED");
  // The service itself, with another certificate of the same name, goes on.
  await renew(await authority.clientOf("config-resolver"));
});
