import type { TrustBundle } from "@drawbridge/pki";
import { createTestCa, FakeClock } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { createGrantSigner } from "./grant-signer.ts";
import { createGrantVerifier } from "./grant-verifier.ts";
import type { AnalyticsGrant } from "./grant.ts";

const start = new Date("2026-11-22T12:00:00.000Z");
const ca = await createTestCa({ now: start });
const runtimeManager = await ca.issueService("runtime-manager");
const other = await createTestCa({ now: start });
const sign = createGrantSigner(() => runtimeManager);
const aGrant = (tokenId: string): AnalyticsGrant => ({
  fabricId: "0190b8a0-0000-7000-8000-00000000f001",
  environments: ["prod"],
  issuedAt: start,
  expiresAt: new Date(start.getTime() + 3_600_000),
  tokenId,
});

/** Counts how often roots are looked through: once for each verification. */
function aWorld(remembered?: number) {
  const clock = new FakeClock(start);
  let verifications = 0;
  const counted = ({ rootsDer, ...bundle }: TrustBundle): TrustBundle => ({
    ...bundle,
    get rootsDer() {
      verifications += 1;
      return rootsDer;
    },
  });
  const world = {
    clock,
    bundle: counted(ca.trustBundle),
    counted,
    verifications: () => verifications,
  };
  const options = { trustBundle: () => world.bundle, clock, ...(remembered !== undefined && { remembered }) };
  return { world, verifier: createGrantVerifier(options) };
}

test("a token that was good is not verified again, and still runs out (ANA 1)", async () => {
  const { world, verifier } = aWorld();
  const token = sign(aGrant("a"));
  const first = await verifier.verify(token);
  await expect(verifier.verify(token)).resolves.toBe(first);
  expect(world.verifications()).toBe(1);
  world.clock.advance(3_600_000 + 30_000);
  await expect(verifier.verify(token)).rejects.toMatchObject({ code: "ANALYTICS_TOKEN_EXPIRED" });
});

test("a token that was good is worth nothing when its root is trusted no more, and is verified under new roots (ANA 1, REN 6)", async () => {
  const { world, verifier } = aWorld();
  const token = sign(aGrant("a"));
  await verifier.verify(token);
  const rootsDer = [...ca.trustBundle.rootsDer, ...other.trustBundle.rootsDer];
  world.bundle = world.counted({ ...ca.trustBundle, sequence: 2n, rootsDer });
  await expect(verifier.verify(token)).resolves.toMatchObject({ tokenId: "a" });
  expect(world.verifications()).toBe(2);
  world.bundle = world.counted({ ...ca.trustBundle, sequence: 3n, rootsDer: other.trustBundle.rootsDer });
  await expect(verifier.verify(token)).rejects.toMatchObject({ code: "ANALYTICS_TOKEN_INVALID" });
});

test("a root that goes while a token is verified under it leaves nothing behind (ANA 1, REN 6)", async () => {
  const { world, verifier } = aWorld();
  const token = sign(aGrant("a"));
  const underWay = verifier.verify(token);
  world.bundle = world.counted({ ...ca.trustBundle, sequence: 2n, rootsDer: other.trustBundle.rootsDer });
  const later = verifier.verify(token);
  await Promise.allSettled([underWay, later]);
  await expect(later).rejects.toMatchObject({ code: "ANALYTICS_TOKEN_INVALID" });
  await expect(verifier.verify(token)).rejects.toMatchObject({ code: "ANALYTICS_TOKEN_INVALID" });
});

test("a refusal is not remembered, and so many tokens as there is room for are (ANA 1)", async () => {
  const { world, verifier } = aWorld(2);
  const [a, b, c] = ["a", "b", "c"].map((id) => sign(aGrant(id)));
  for (const token of [a, b, c]) await verifier.verify(token ?? "");
  expect(world.verifications()).toBe(3);
  await verifier.verify(c ?? "");
  await verifier.verify(b ?? "");
  expect(world.verifications()).toBe(3);
  await verifier.verify(a ?? "");
  expect(world.verifications()).toBe(4);
  const forged = `${a}x`;
  for (let time = 0; time < 2; time += 1) await expect(verifier.verify(forged)).rejects.toThrow();
  expect(world.verifications()).toBe(6);
});

test("a new key of runtime-manager signs the tokens from then on (ANA 1)", async () => {
  let identity = runtimeManager;
  const signing = createGrantSigner(() => identity);
  const { verifier } = aWorld();
  const before = signing(aGrant("a"));
  identity = await ca.issueService("runtime-manager");
  const after = signing(aGrant("b"));
  expect(after.split(".")[0]).not.toBe(before.split(".")[0]);
  for (const token of [before, after]) await expect(verifier.verify(token)).resolves.toBeDefined();
});
