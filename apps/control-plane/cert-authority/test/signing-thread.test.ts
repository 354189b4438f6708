import { createCsr, generateKeyPair, parseCertificate, spkiSha256 } from "@drawbridge/pki";
import { createTestCa, createTestLogger } from "@drawbridge/testkit";
import { expect, onTestFinished, test } from "vitest";
import { createSigningThread } from "../src/signing/create-signing-thread.ts";
import type { NamedCa } from "../src/signing/signing-batch.ts";

const ca = await createTestCa();
const now = new Date();

const cas: readonly NamedCa[] = [{ id: "first", ...ca.issuing }];

function createThread(given: () => readonly NamedCa[] = () => cas) {
  const thread = createSigningThread({ cas: given, logger: createTestLogger().logger });
  onTestFinished(() => thread.stop(AbortSignal.timeout(5_000)));
  return thread;
}

async function request() {
  const keyPair = await generateKeyPair();
  const spiffeId = "spiffe://drawbridge.local/cp/activation";
  return { keyPair, asked: { csrDer: await createCsr(keyPair), spiffeId, now, ttlSeconds: 3600, issuerId: "first" } };
}

test("of many requests at once, each gets the certificate of its own key", async () => {
  const thread = createThread();
  await thread.start(AbortSignal.timeout(240_000));
  const requests = await Promise.all(Array.from({ length: 200 }, () => request()));
  const leaves = await Promise.all(requests.map(({ asked }) => thread.sign(asked)));
  const issuing = parseCertificate(ca.issuing.certificateDer);
  for (const [index, leaf] of leaves.entries()) {
    const certificate = parseCertificate(leaf.certificateDer);
    const spkiDer = certificate.publicKey.export({ format: "der", type: "spki" });
    expect(spkiDer).toEqual(requests[index]?.keyPair.spkiDer);
    expect(leaf.spkiSha256).toBe(spkiSha256(spkiDer));
    expect(certificate.serialNumber.toLowerCase()).toBe(leaf.serialNumber);
    expect(certificate.verify(issuing.publicKey)).toBe(true);
    expect(certificate.validToDate).toEqual(leaf.notAfter);
  }
  expect(new Set(leaves.map(({ serialNumber }) => serialNumber)).size).toBe(200);
});

test("a refused CSR is refused with its reason, and no other request suffers (R1)", async () => {
  const thread = createThread();
  const good = await request();
  const forged = Uint8Array.from((await request()).asked.csrDer);
  forged.set([(forged.at(-1) ?? 0) ^ 1], forged.length - 1);
  const outcomes = await Promise.allSettled(
    [new Uint8Array(3), good.asked.csrDer, forged].map((csrDer) => thread.sign({ ...good.asked, csrDer })),
  );
  expect(outcomes).toMatchObject([
    { status: "rejected", reason: { code: "CSR_MALFORMED", kind: "invalid_argument" } },
    { status: "fulfilled", value: { spkiSha256: spkiSha256(good.keyPair.spkiDer) } },
    { status: "rejected", reason: { code: "CSR_SIGNATURE_INVALID", kind: "invalid_argument" } },
  ]);
});

test("a thread that ends loses its requests aloud, and the next request starts another", async () => {
  let given: readonly NamedCa[] = [{ id: "first", ...ca.issuing, certificateDer: new Uint8Array(3) }];
  const thread = createThread(() => given);
  await thread.start(AbortSignal.timeout(240_000));
  const { asked } = await request();
  await expect(thread.sign(asked)).rejects.toMatchObject({ code: "SIGNER_LOST", kind: "unavailable" });
  given = cas;
  await expect(thread.sign(asked)).resolves.toMatchObject({ spiffeId: asked.spiffeId });
});

test("takes a new CA between two requests, and signs no more with one that is gone (REN 6)", async () => {
  const next = await createTestCa();
  let given = cas;
  const thread = createThread(() => given);
  await thread.start(AbortSignal.timeout(240_000));
  const { asked } = await request();
  await thread.sign(asked);
  given = [...cas, { id: "second", ...next.issuing }];
  const leaf = await thread.sign({ ...asked, issuerId: "second" });
  const issuedBy = (der: Uint8Array) => parseCertificate(leaf.certificateDer).verify(parseCertificate(der).publicKey);
  expect([leaf.issuerId, issuedBy(next.issuingDer)]).toEqual(["second", true]);
  expect(await thread.sign(asked)).toMatchObject({ issuerId: "first" });
  given = given.slice(1);
  await expect(thread.sign(asked)).rejects.toMatchObject({ code: "ISSUING_CA_RETIRED", kind: "unavailable" });
});

test("a stopped thread signs nothing", async () => {
  const thread = createThread();
  await thread.start(AbortSignal.timeout(240_000));
  await thread.stop(AbortSignal.timeout(5_000));
  const { asked } = await request();
  await expect(thread.sign(asked)).rejects.toMatchObject({ code: "SIGNER_LOST" });
});
