import { expect, test } from "vitest";
import { createRootCertificate } from "./certificate-profile.ts";
import { generateKeyPair, type KeyPair } from "./key-pair.ts";
import { createTrustBundle, type TrustBundle } from "./trust-bundle.ts";
import { followTrustSuccession, signTrustSuccession } from "./trust-succession.ts";

const now = new Date("2026-11-22T00:00:00Z");

async function aRoot() {
  const keyPair = await generateKeyPair();
  return { keyPair, der: await createRootCertificate({ keyPair, trustDomain: "drawbridge.local", now }) };
}

type Root = Awaited<ReturnType<typeof aRoot>>;

function aBundle(sequence: bigint, roots: readonly Root[], trustDomain = "drawbridge.local"): TrustBundle {
  return createTrustBundle({ sequence, trustDomain, rootsDer: roots.map(({ der }) => der), refreshHintSeconds: 300 });
}

const link = (trustBundle: TrustBundle, root: KeyPair) => signTrustSuccession({ trustBundle, root, issuedAt: now });
const [first, second, third] = await Promise.all([aRoot(), aRoot(), aRoot()]);
const refused = { kind: "unauthenticated", code: "TRUST_SUCCESSION_INVALID" };

test("leads over several rotations from the first root to the last (REN 6)", async () => {
  const bundles = [
    [aBundle(2n, [first, second]), first],
    [aBundle(3n, [second]), second],
    [aBundle(4n, [second, third]), second],
    [aBundle(5n, [third]), third],
  ] as const;
  const links = bundles.map(([bundle, signer]) => link(bundle, signer.keyPair));
  expect(await followTrustSuccession(aBundle(1n, [first]), links)).toEqual(aBundle(5n, [third]));
  expect(await followTrustSuccession(aBundle(1n, [first]), [])).toEqual(aBundle(1n, [first]));
});

test.each([
  ["signed by a root that is not trusted", () => link(aBundle(2n, [first, second]), second.keyPair)],
  [
    "signed by another key in the name of a trusted one",
    () => {
      const [header] = link(aBundle(2n, [first]), first.keyPair).split(".");
      const [, payload, signature] = link(aBundle(2n, [second]), second.keyPair).split(".");
      return [header, payload, signature].join(".");
    },
  ],
  ["of another trust domain", () => link(aBundle(2n, [first], "example.org"), first.keyPair)],
  ["not newer than the bundle before", () => link(aBundle(1n, [first, second]), first.keyPair)],
  ["no JWS", () => "x"],
])("refuses a link that is %s", async (_what, forged) => {
  await expect(followTrustSuccession(aBundle(1n, [first]), [forged()])).rejects.toMatchObject(refused);
});
