import "reflect-metadata";
import { X509Certificate } from "@peculiar/x509";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createTestPki, trustDomain } from "../test/test-pki.ts";
import { generateKeyPair } from "./key-pair.ts";
import { spiffeId } from "./spiffe-id.ts";

const slug = fc.stringMatching(/^[a-z0-9](?:[a-z0-9-]{0,40}[a-z0-9])?$/);
const instant = fc.date({ min: new Date("2026-01-01"), max: new Date("2055-01-01"), noInvalidDate: true });

test("every leaf says what it was asked to say, whatever its shape and date, also after 2050", async () => {
  const keyPair = await generateKeyPair();
  await fc.assert(
    fc.asyncProperty(slug, fc.uuid(), fc.uuid(), instant, async (org, fabricId, subjectId, now) => {
      const pki = await createTestPki(now);
      const names = [
        spiffeId.agent({ trustDomain, org, fabricId, agentId: subjectId }),
        spiffeId.collector({ trustDomain, org, fabricId }),
        spiffeId.service({ trustDomain, service: org }),
      ];
      for (const name of names) {
        const leaf = await pki.issuer.issue({ spkiDer: keyPair.spkiDer, spiffeId: name, now, ttlSeconds: 3600 });
        const read = new X509Certificate(leaf.certificateDer);
        expect(await read.verify({ publicKey: new X509Certificate(pki.issuingDer), date: now })).toBe(true);
        expect([read.notBefore, read.notAfter]).toEqual([leaf.notBefore, leaf.notAfter]);
        expect(read.serialNumber).toBe(leaf.serialNumber);
        const shown = read.extensions.find(({ type }) => type === "2.5.29.17");
        expect(Buffer.from(shown?.value ?? new ArrayBuffer(0)).toString("latin1")).toContain(name);
        expect(Buffer.from(read.publicKey.rawData)).toEqual(Buffer.from(keyPair.spkiDer));
      }
    }),
    { numRuns: 25 },
  );
});

test("refuses a public key that is not in the one encoding", async () => {
  const pki = await createTestPki();
  const spkiDer = new Uint8Array(91);
  const request = { spkiDer, spiffeId: "spiffe://drawbridge.local/cp/activation", now: new Date() };
  await expect(pki.issuer.issue(request)).rejects.toMatchObject({ code: "KEY_UNSUPPORTED" });
});
