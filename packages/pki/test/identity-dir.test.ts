import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadIdentityDir, saveIdentityDir } from "../src/index.ts";
import { agentSpiffeId, createTestPki } from "./test-pki.ts";

const now = new Date();
const pki = await createTestPki(now);
const material = await pki.identity(agentSpiffeId);

async function temporaryDirectory() {
  const path = await mkdtemp(join(tmpdir(), "drawbridge-pki-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

test("loads what it saved, readable by the owner only (R19)", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "identity");
  await saveIdentityDir(path, material, now);
  expect(await loadIdentityDir(path, now)).toMatchObject(material);
  for (const name of ["tls.crt", "tls.key", "trust-bundle.json"]) {
    expect((await stat(join(path, name))).mode & 0o777).toBe(0o600);
  }
  expect((await stat(path)).mode & 0o777).toBe(0o700);
});

test("replaces all files at once and keeps two generations (R19)", async () => {
  await using directory = await temporaryDirectory();
  for (let age = 0; age < 4; age += 1) {
    const next = await pki.identity(agentSpiffeId);
    await saveIdentityDir(directory.path, next, new Date(now.getTime() + age * 120_000));
    expect(await loadIdentityDir(directory.path, now)).toMatchObject(next);
  }
  const names = await readdir(directory.path);
  expect(names.filter((name) => name.startsWith("..gen-"))).toHaveLength(2);
  expect(names.filter((name) => name.endsWith(".tmp"))).toEqual([]);
});

test("writers at the same time leave one complete identity", async () => {
  await using directory = await temporaryDirectory();
  const materials = await Promise.all(Array.from({ length: 8 }, () => pki.identity(agentSpiffeId)));
  await Promise.all(
    materials.map((next, index) => saveIdentityDir(directory.path, next, new Date(now.getTime() - index))),
  );
  const loaded = await loadIdentityDir(directory.path, now);
  expect(materials.map(({ privateKeyPem }) => privateKeyPem)).toContain(loaded.privateKeyPem);
});

test("reads plain files too, as an operator may place them", async () => {
  await using directory = await temporaryDirectory();
  await using source = await temporaryDirectory();
  await saveIdentityDir(source.path, material, now);
  for (const name of ["tls.crt", "tls.key", "trust-bundle.json"]) {
    await writeFile(join(directory.path, name), await readFile(join(source.path, name)));
  }
  expect(await loadIdentityDir(directory.path, now)).toMatchObject(material);
});

test("says which file is missing", async () => {
  await using directory = await temporaryDirectory();
  const failure = loadIdentityDir(directory.path, now);
  await expect(failure).rejects.toMatchObject({
    code: "IDENTITY_MISSING",
    message: expect.stringContaining("tls.crt"),
  });
});

test("a save that cannot finish leaves the old identity in use", async () => {
  await using directory = await temporaryDirectory();
  await saveIdentityDir(directory.path, material, now);
  const broken = { ...material, trustBundle: { ...material.trustBundle, rootsDer: undefined as never } };
  await expect(saveIdentityDir(directory.path, broken, new Date(now.getTime() + 1))).rejects.toThrow();
  expect(await loadIdentityDir(directory.path, now)).toMatchObject(material);
  await chmod(directory.path, 0o700);
});
