import { createGrantVerifier } from "@drawbridge/analytics-access";
import { DrawbridgeError } from "@drawbridge/errors";
import { createTestCa, FakeClock } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { fabricId } from "../domain/ids.ts";
import { createGrantAccess } from "./grant-access.ts";

const now = new Date("2026-11-22T12:00:00.000Z");
const ca = await createTestCa({ now });
const fabric = fabricId("0190b8a0-0000-7000-8000-00000000f001");

async function aGrantor(change: Partial<Parameters<typeof createGrantAccess>[0]> = {}, ttlSeconds?: number) {
  const identity = await ca.issueService("runtime-manager", ttlSeconds === undefined ? {} : { ttlSeconds });
  return createGrantAccess({
    url: "https://analytics.example:7450",
    fabrics: { environments: () => Promise.resolve(["prod"]) },
    identity: { get: () => identity },
    clock: new FakeClock(now),
    ids: { next: () => "0190b8a0-0000-7000-8000-0000000000a1" },
    ...change,
  });
}

test("a token does not outlive the certificate that it is verified with (ANA 1)", async () => {
  const late = new FakeClock(new Date(now.getTime() + 3_600_000));
  const grant = await aGrantor({ clock: late }, 5_400);
  const { token, expiresAt } = await grant(fabric);
  expect(expiresAt.getTime()).toBe(now.getTime() + 5_400_000);
  const verifier = createGrantVerifier({ trustBundle: () => ca.trustBundle, clock: late });
  expect((await verifier.verify(token)).expiresAt).toEqual(expiresAt);
});

test.each([
  ["cannot be read", () => Promise.reject(new DrawbridgeError({ kind: "unavailable", code: "X", message: "x" }))],
  ["has just gone", () => Promise.resolve(undefined)],
])(
  "while the record of the fabric %s, there is no token and the agent asks again (ANA 1)",
  async (_what, environments) => {
    const grant = await aGrantor({ fabrics: { environments } });
    await expect(grant(fabric)).rejects.toMatchObject({
      kind: "unavailable",
      code: "ANALYTICS_ACCESS_UNAVAILABLE",
      retryAfterMs: 2_000,
    });
  },
);
