import { DrawbridgeError } from "@drawbridge/errors";
import { createCsr, createLeafIssuer, generateKeyPair, parseCertificate } from "@drawbridge/pki";
import { createTestCa, FakeClock } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import type { SignedCertificate } from "./certificate.ts";
import { createGroupCommit } from "./group-commit.ts";
import { createSignLeaf, type SignLeaf } from "./sign-leaf.ts";
import { createIssueCertificate, type IssueRequest, type RecordOutcome } from "./issue-certificate.ts";

const ca = await createTestCa();
const clock = new FakeClock(new Date());
const signLeaf = createSignLeaf(() => createLeafIssuer(ca.issuing));
const keyPair = await generateKeyPair();
const request: IssueRequest = {
  requestId: "018f0000-0000-7000-8000-000000000001",
  profile: "service",
  csrDer: await createCsr(keyPair),
  spiffeId: "spiffe://drawbridge.local/cp/activation",
  fabricId: undefined,
  decidedAt: clock.now(),
  callerSerialNumber: undefined,
  traceparent: "",
};

/** A table in memory with the rule of the real one: a request id is recorded once. */
function createIssue(
  options: { readonly limit?: number; readonly signLeaf?: SignLeaf; readonly nameLimit?: number } = {},
) {
  const issuers = { service: "retired", fabric: "current" };
  const refresh = () => Promise.resolve(void (issuers.service = "current"));
  const table = new Map<string, SignedCertificate>();
  const queue = createGroupCommit<SignedCertificate, RecordOutcome>({
    limit: options.limit ?? 10,
    maxGroup: 10,
    retryAfterMs: 1,
    write: (group) =>
      Promise.resolve(
        group.map((certificate): RecordOutcome => {
          if (certificate.issuerId === "retired") return { outcome: "issuer_retired" };
          const found = table.get(certificate.requestId);
          if (found) return { outcome: "replayed", certificate: found };
          if (table.size >= (options.nameLimit ?? Infinity)) return { outcome: "name_limited", waitMs: 60_000 };
          table.set(certificate.requestId, certificate);
          return { outcome: "recorded" };
        }),
      ),
  });
  const issue = createIssueCertificate({
    issuing: { issuerFor: (audience) => ({ id: issuers[audience] }), refresh },
    signLeaf: options.signLeaf ?? signLeaf,
    leafTtlSeconds: 3600,
    queue,
    isRecorded: (requestId) => Promise.resolve(table.has(requestId)),
    clock,
  });
  return { issue, table, queue };
}

test("records what it answers", async () => {
  const { issue, table } = createIssue();
  const certificate = await issue(request);
  expect(table.get(request.requestId)?.serialNumber).toBe(certificate.serialNumber);
  expect(parseCertificate(certificate.certificateDer).subjectAltName).toBe(`URI:${request.spiffeId}`);
});

test("the same request gives the same certificate, also when the two run at once", async () => {
  const { issue } = createIssue();
  const [first, second] = await Promise.all([issue(request), issue(request)]);
  const third = await issue(request);
  expect([second.serialNumber, third.serialNumber]).toEqual([first.serialNumber, first.serialNumber]);
});

test("refuses a used request id with another key or another name", async () => {
  const { issue } = createIssue();
  await issue(request);
  const reused = { kind: "already_exists", code: "REQUEST_ID_REUSED" };
  const csrDer = await createCsr(await generateKeyPair());
  await expect(issue({ ...request, csrDer })).rejects.toMatchObject(reused);
  const spiffeId = "spiffe://drawbridge.local/cp/runtime-manager";
  await expect(issue({ ...request, spiffeId })).rejects.toMatchObject(reused);
});

test("a refused CSR gives its place in the queue back", async () => {
  const { issue, queue } = createIssue({ limit: 1 });
  await expect(issue({ ...request, csrDer: new Uint8Array(3) })).rejects.toMatchObject({ code: "CSR_MALFORMED" });
  expect(queue.pending).toBe(0);
  await expect(issue(request)).resolves.toBeDefined();
});

test("an overloaded authority does no cryptography (R14)", async () => {
  let signatures = 0;
  const counting: SignLeaf = (leaf) => {
    signatures += 1;
    return signLeaf(leaf);
  };
  const { issue, queue } = createIssue({ limit: 1, signLeaf: counting });
  const place = queue.admit();
  await expect(issue({ ...request, csrDer: new Uint8Array(3) })).rejects.toMatchObject({ code: "ISSUE_OVERLOADED" });
  place.release();
  expect(signatures).toBe(0);
});

test("a CA that is retired, or has run out, before this replica noticed is replaced without a failed request (REN 6)", async () => {
  const retired = createIssue();
  expect(await retired.issue(request)).toMatchObject({ issuerId: "current" });
  expect([...retired.table.values()]).toMatchObject([{ issuerId: "current" }]);
  const expired: SignLeaf = (leaf) =>
    leaf.issuerId === "current"
      ? signLeaf(leaf)
      : Promise.reject(new DrawbridgeError({ kind: "failed_precondition", code: "ISSUING_CA_EXPIRED", message: "" }));
  expect(await createIssue({ signLeaf: expired }).issue(request)).toMatchObject({ issuerId: "current" });
});

test("a name that has got enough costs no more cryptography until it is free, and its answered requests are answered", async () => {
  let signatures = 0;
  const counting: SignLeaf = (leaf) => {
    signatures += 1;
    return signLeaf(leaf);
  };
  const { issue, table } = createIssue({ signLeaf: counting, nameLimit: 1 });
  const first = await issue(request);
  const another = { ...request, requestId: "018f0000-0000-7000-8000-000000000002" };
  const refusal = { kind: "resource_exhausted", code: "ISSUE_NAME_LIMIT", retryAfterMs: 60_000 };
  await expect(issue(another)).rejects.toMatchObject(refusal);
  const spent = signatures;
  for (let attempt = 0; attempt < 10; attempt += 1) await expect(issue(another)).rejects.toMatchObject(refusal);
  expect(signatures).toBe(spent);
  expect((await issue(request)).serialNumber).toBe(first.serialNumber);
  table.clear();
  clock.advance(60_000);
  await expect(issue(another)).resolves.toBeDefined();
});
