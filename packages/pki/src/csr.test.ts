import "reflect-metadata";
import { generateKeyPairSync } from "node:crypto";
import {
  ChallengePasswordAttribute,
  ExtensionsAttribute,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
} from "@peculiar/x509";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createCsr, maxCsrBytes, parseCsr } from "./csr.ts";
import { generateKeyPair, spkiSha256 } from "./key-pair.ts";

const p256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

function refusedWith(code: string) {
  return expect.objectContaining({ code, kind: "invalid_argument" });
}

/** A CSR from another implementation. */
async function foreignCsr(options: {
  readonly algorithm?: EcKeyGenParams & { readonly hash: string };
  readonly name?: string;
  readonly attributes?: readonly (ChallengePasswordAttribute | ExtensionsAttribute)[];
}): Promise<Uint8Array> {
  const algorithm = options.algorithm ?? p256;
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const csr = await Pkcs10CertificateRequestGenerator.create({
    keys,
    signingAlgorithm: algorithm,
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(options.attributes === undefined ? {} : { attributes: [...options.attributes] }),
  });
  return new Uint8Array(csr.rawData);
}

type EcKeyGenParams = { readonly name: string; readonly namedCurve: string };

test("takes the public key and nothing else (R1)", async () => {
  const keyPair = await generateKeyPair();
  const parsed = await parseCsr(await createCsr(keyPair));
  expect(Buffer.from(parsed.spkiDer)).toEqual(Buffer.from(keyPair.spkiDer));
  expect(parsed.spkiSha256).toBe(spkiSha256(keyPair.spkiDer));
});

test("reads the CSR of another implementation", async () => {
  await expect(parseCsr(await foreignCsr({}))).resolves.toMatchObject({
    spkiSha256: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
});

test("refuses a CSR that asks for a SAN (R1)", async () => {
  const san = new SubjectAlternativeNameExtension([
    { type: "url", value: "spiffe://drawbridge.local/cp/cert-authority" },
  ]);
  const csr = await foreignCsr({ attributes: [new ExtensionsAttribute([san])] });
  await expect(parseCsr(csr)).rejects.toEqual(refusedWith("CSR_NAMES_REFUSED"));
});

test("refuses a CSR with any attribute", async () => {
  const csr = await foreignCsr({ attributes: [new ChallengePasswordAttribute("x")] });
  await expect(parseCsr(csr)).rejects.toEqual(refusedWith("CSR_NAMES_REFUSED"));
});

test("refuses a CSR with a subject", async () => {
  await expect(parseCsr(await foreignCsr({ name: "CN=cert-authority" }))).rejects.toEqual(
    refusedWith("CSR_NAMES_REFUSED"),
  );
});

test("refuses another curve, another hash and RSA", async () => {
  const p384 = { name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" };
  await expect(parseCsr(await foreignCsr({ algorithm: p384 }))).rejects.toEqual(refusedWith("CSR_KEY_UNSUPPORTED"));
  const sha384 = { ...p256, hash: "SHA-384" };
  await expect(parseCsr(await foreignCsr({ algorithm: sha384 }))).rejects.toEqual(refusedWith("CSR_KEY_UNSUPPORTED"));
  const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const rsa = publicKey.export({ format: "der", type: "spki" });
  await expect(parseCsr(rsa)).rejects.toEqual(refusedWith("CSR_MALFORMED"));
});

test("refuses a signature by another key", async () => {
  const honest = Buffer.from(await createCsr(await generateKeyPair()));
  const other = Buffer.from(await createCsr(await generateKeyPair()));
  const pointOffset = honest.indexOf(Buffer.from("034200", "hex")) + 3;
  other.copy(honest, pointOffset, pointOffset, pointOffset + 65);
  await expect(parseCsr(honest)).rejects.toEqual(refusedWith("CSR_SIGNATURE_INVALID"));
});

test("refuses a point that is not on the curve", async () => {
  const csr = Buffer.from(await createCsr(await generateKeyPair()));
  const pointOffset = csr.indexOf(Buffer.from("034200", "hex")) + 3;
  csr.fill(7, pointOffset + 1, pointOffset + 65);
  await expect(parseCsr(csr)).rejects.toEqual(refusedWith("CSR_KEY_UNSUPPORTED"));
});

test("refuses bytes after the CSR", async () => {
  const csr = Buffer.concat([await createCsr(await generateKeyPair()), Buffer.from([0])]);
  await expect(parseCsr(csr)).rejects.toEqual(refusedWith("CSR_MALFORMED"));
});

test("refuses an empty CSR and one above 8 KiB", async () => {
  await expect(parseCsr(new Uint8Array())).rejects.toEqual(refusedWith("CSR_MALFORMED"));
  await expect(parseCsr(new Uint8Array(maxCsrBytes + 1))).rejects.toEqual(refusedWith("CSR_MALFORMED"));
});

test("refuses any bytes with a code, never with another error (R26 k)", async () => {
  const code = expect.stringMatching(/^CSR_/);
  const csr = await createCsr(await generateKeyPair());
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
      await expect(parseCsr(bytes)).rejects.toMatchObject({ code });
    }),
  );
  await fc.assert(
    fc.asyncProperty(fc.nat(csr.length - 1), fc.integer({ min: 1, max: 255 }), async (index, flip) => {
      const altered = csr.map((byte, at) => (at === index ? byte ^ flip : byte));
      await expect(parseCsr(altered)).rejects.toMatchObject({ code });
    }),
  );
  await fc.assert(
    fc.asyncProperty(fc.nat(csr.length - 1), async (length) => {
      await expect(parseCsr(csr.subarray(0, length))).rejects.toMatchObject({ code });
    }),
  );
});
