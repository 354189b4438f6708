import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeBundleFile } from "@drawbridge/bundle";
import { parseCsr } from "@drawbridge/pki";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ControlPlane, newAgentKeys, startControlPlane } from "./support/control-plane.ts";

let world: ControlPlane;
beforeAll(async () => {
  world = await startControlPlane();
}, 240_000);
afterAll(() => world[Symbol.asyncDispose]());

const call = (method: string, path: string, options: object = {}) =>
  world.api.call(method, path, { token: world.adminToken, ...options });

interface Bundle {
  readonly bytes: Buffer;
  readonly digest: string;
}

async function aBundle(version: string, manifest = ""): Promise<Bundle> {
  const directory = join(world.folder, `app-${version}`);
  await mkdir(directory);
  await writeFile(
    join(directory, "drawbridge.yaml"),
    `apiVersion: drawbridge/v1\nname: hello\nversion: "${version}"\nruntime: { command: [node, server.mjs] }\n${manifest}`,
  );
  await writeFile(join(directory, "server.mjs"), `// ${version}\n`);
  await writeBundleFile({ directory, file: `${directory}.tgz` });
  const bytes = await readFile(`${directory}.tgz`);
  return { bytes, digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}` };
}

const uploadPart = ({ bytes, digest }: Bundle, from: number, to: number = bytes.length) =>
  call("PATCH", `/v1/bundles/${digest}`, {
    bytes: bytes.subarray(from, to),
    headers: { "upload-offset": String(from), "upload-length": String(bytes.length) },
  });

const app = "/v1/environments/production/apps/hello";

// One story, told in order: each part stands on the one before.
describe("the REST API on the real control plane", () => {
  test("says that every service is ready", async () => {
    const { json } = await call("GET", "/v1/status");
    expect(json).toMatchObject({ ready: true });
    expect(json.services.map((entry: { service: string }) => entry.service)).toEqual([
      "management-api",
      "activation",
      "api-manager",
      "cert-authority",
      "config-resolver",
      "monitoring-ingest",
      "runtime-manager",
    ]);
  });

  test("makes a fabric and its activation token (ACT 1)", async () => {
    const made = await call("POST", "/v1/fabric-tokens", {
      body: { fabric: "edge", region: "eu", environments: ["production"] },
    });
    expect(made.json).toMatchObject({ fabric: "edge", token: expect.stringMatching(/^fat1\./) as string });
    expect((await call("GET", "/v1/fabrics/edge")).json).toMatchObject({
      state: "pending",
      cluster: null,
      appCount: 0,
    });
    const listed = await call("GET", "/v1/fabric-tokens?fabric=edge");
    expect(listed.json.items).toMatchObject([{ state: "unused", createdBy: "admin" }]);
    expect((await call("DELETE", `/v1/fabric-tokens/${made.json.tokenId}`)).json.state).toBe("revoked");
  });

  test("takes a bundle in two parts, refuses the wrong place and a damaged one", async () => {
    const bundle = await aBundle(
      "1.0.0",
      "configuration: { properties: { GREETING: { default: hi }, KEY: { secret: true } } }\n",
    );
    const half = Math.floor(bundle.bytes.length / 2);
    expect((await uploadPart(bundle, 0, half)).status).toBe(204);
    expect((await uploadPart(bundle, 0)).json).toMatchObject({
      code: "UPLOAD_OFFSET_MISMATCH",
      details: { offset: String(half) },
    });
    expect((await call("HEAD", `/v1/bundles/${bundle.digest}`)).headers["upload-offset"]).toBe(String(half));
    expect((await uploadPart(bundle, half)).status).toBe(201);
    expect((await call("HEAD", `/v1/bundles/${bundle.digest}`)).headers["content-length"]).toBe(
      String(bundle.bytes.length),
    );
    expect((await call("GET", `/v1/bundles/${bundle.digest}`)).json).toMatchObject({ name: "hello", version: "1.0.0" });

    const damaged = { ...bundle, digest: `sha256:${"0".repeat(64)}` };
    expect((await uploadPart(damaged, 0)).json).toMatchObject({ status: 400, code: "BUNDLE_DIGEST_MISMATCH" });
  });

  test("deploys it once, however often the request is repeated", async () => {
    const bundle = await aBundle(
      "1.1.0",
      "configuration: { properties: { GREETING: { default: hi }, KEY: { secret: true } } }\n",
    );
    await uploadPart(bundle, 0);
    const body = { fabric: "edge", bundleDigest: bundle.digest, replicas: 2, secureProperties: { KEY: "s3cret" } };
    const headers = { "idempotency-key": "release 1.1.0" };
    const first = await call("PUT", app, { body, headers });
    expect(first.json).toMatchObject({
      revision: 1,
      replicas: 2,
      fabric: "edge",
      desiredState: "running",
      status: null,
      statusCurrent: false,
    });
    expect((await call("PUT", app, { body, headers })).json).toEqual(first.json);
    expect((await call("PUT", app, { body: { ...body, replicas: 3 }, headers })).json.code).toBe("REQUEST_ID_REUSED");
    expect(JSON.stringify(first.json)).not.toContain("s3cret");
  });

  test("keeps the configuration of the version before, and asks for it where the manifest changed", async () => {
    const same = await aBundle(
      "1.2.0",
      "configuration: { properties: { KEY: { secret: true }, GREETING: { default: hi } } }\n",
    );
    await uploadPart(same, 0);
    expect((await call("PUT", app, { body: { bundleDigest: same.digest } })).json).toMatchObject({
      revision: 2,
      version: "1.2.0",
    });
    expect((await call("GET", `${app}/revisions`)).json.items).toMatchObject([
      { revision: 2, hasConfiguration: true, current: true, requestedBy: "admin" },
      { revision: 1, hasConfiguration: true, current: false },
    ]);
    const other = await aBundle("2.0.0", "configuration: { properties: { NEW: { required: true } } }\n");
    await uploadPart(other, 0);
    expect((await call("PUT", app, { body: { bundleDigest: other.digest } })).json.code).toBe("CONFIGURATION_REQUIRED");
    const wrong = await call("PUT", app, { body: { bundleDigest: other.digest, properties: { OLD: "x" } } });
    expect(wrong.json.errors.map((error: { field: string }) => error.field)).toEqual([
      "properties.OLD",
      "properties.NEW",
    ]);
  });

  test("takes new defaults where the values before were defaults only: the digest tells (config-resolver's promise)", async () => {
    const name = (version: string, manifest: string) => aBundle(version, manifest);
    const one = await name("3.0.0", "configuration: { properties: { A: { default: one } } }\n");
    const two = await name("3.1.0", "configuration: { properties: { A: { default: two }, B: { default: x } } }\n");
    await uploadPart(one, 0);
    await uploadPart(two, 0);
    await call("PUT", app, { body: { bundleDigest: one.digest, properties: {} } });
    expect((await call("PUT", app, { body: { bundleDigest: two.digest } })).json).toMatchObject({ version: "3.1.0" });
  });

  test("stops, starts, restarts, scales and rolls back", async () => {
    expect((await call("POST", `${app}/stop`)).json.desiredState).toBe("stopped");
    expect((await call("POST", `${app}/start`)).json.desiredState).toBe("running");
    const { generation } = (await call("GET", app)).json;
    expect((await call("POST", `${app}/restart`)).json.generation).toBe(generation + 1);
    expect((await call("POST", `${app}/scale`, { body: { replicas: 5 } })).json.replicas).toBe(5);
    expect((await call("POST", `${app}/rollback`, { body: { toRevision: 1 } })).json.version).toBe("1.1.0");
    expect((await call("POST", `${app}/rollback`, { body: { toRevision: 99 } })).json.code).toBe("REVISION_NOT_FOUND");
  });

  test("says why an app cannot be deployed", async () => {
    const { bundleDigest } = (await call("GET", app)).json;
    const elsewhere = "/v1/environments/sandbox/apps/hello";
    const deploy = (path: string, body: object) =>
      call("PUT", path, { body: { bundleDigest, secureProperties: { KEY: "k" }, ...body } });
    expect((await deploy(elsewhere, { fabric: "edge" })).json.code).toBe("ENVIRONMENT_NOT_ON_FABRIC");
    expect((await deploy(elsewhere, { fabric: "nowhere" })).json.code).toBe("FABRIC_NOT_FOUND");
    expect((await deploy(app.replace("hello", "other"), { fabric: "edge" })).json.code).toBe("APP_NAME_MISMATCH");
  });

  test("reads no logs of a fabric that is not connected", async () => {
    expect((await call("GET", `${app}/logs`)).json).toMatchObject({ status: 503, code: "FABRIC_NOT_CONNECTED" });
  });

  test("answers again by itself when runtime-manager was killed and is back", async () => {
    await world.kill("runtime-manager");
    expect((await call("GET", app)).json).toMatchObject({
      code: "PEER_UNAVAILABLE",
      details: { service: "runtime-manager" },
    });
    await world.start("runtime-manager");
    expect((await call("GET", app)).json.name).toBe("hello");
  });

  test("goes on after its own kill -9: users, sessions and the audit chain are there", async () => {
    const before = (await call("GET", "/v1/audit?limit=1")).json.items[0].seq;
    await world.kill("management-api");
    await world.start("management-api");
    expect((await call("GET", "/v1/whoami")).json.username).toBe("admin");
    expect((await call("GET", "/v1/audit?limit=1")).json.items[0].seq).toBe(before);
  });

  test("stops in order on SIGTERM, with exit code 0", async () => {
    expect(await world.stop("management-api")).toBe(0);
    await world.start("management-api");
  });

  test("deletes app and fabric; what the others announce is in the audit log", async () => {
    expect((await call("DELETE", "/v1/fabrics/edge")).json.code).toBe("FABRIC_HAS_APPS");
    expect((await call("DELETE", app)).json.deleting).toBe(true);
    expect((await call("DELETE", "/v1/fabrics/edge?force=true")).status).toBe(200);
    await expect
      .poll(async () => {
        const { json } = await call("GET", "/v1/audit?limit=20");
        return json.items.map((record: { actor: string; action: string }) => `${record.actor} ${record.action}`);
      })
      .toContain("runtime-manager fabric.remove");
  });
});

describe("an agent that needs approval, on the real control plane (R3)", () => {
  test("waits until somebody else has approved its key, and both are in the audit log", async () => {
    const create = ["fabric", "token", "create", "watched", "--require-approval", "--from", "127.0.0.0/8"];
    const created = await world.cli(...create, "-o", "json");
    const { token, tokenId } = JSON.parse(created.stdout) as { readonly token: string; readonly tokenId: string };
    const agent = await newAgentKeys();
    await expect(world.activate(token, agent)).rejects.toMatchObject({ code: "ACTIVATION_NOT_APPROVED" });

    const { spkiSha256 } = await parseCsr(agent.csrDer);
    const shown = await world.cli("fabric", "token", "show", tokenId);
    expect(shown.stdout).toContain(`key ${spkiSha256} from 127.0.0.1`);
    const own = await world.cli("fabric", "token", "approve", tokenId, "--key", spkiSha256);
    expect(own.stderr).toContain("ACTIVATION_APPROVAL_BY_CREATOR");
    await expect(world.activate(token, agent)).rejects.toMatchObject({ code: "ACTIVATION_NOT_APPROVED" });

    const login = { username: "second", password: "a long password of the second" };
    await call("POST", "/v1/users", { body: login });
    await call("PUT", "/v1/users/second/roles", { body: { bindings: [{ role: "operator", environment: "*" }] } });
    const session = await world.api.call("POST", "/v1/sessions", { body: login });
    const approve = { token: session.json.token, body: { keySha256: spkiSha256 } };
    const approved = await world.api.call("POST", `/v1/fabric-tokens/${tokenId}/approve`, approve);
    expect(approved.json).toMatchObject({ approvedBy: "second", approvedKeySha256: spkiSha256 });
    await expect(world.activate(token, agent)).resolves.toMatchObject({ tunnel: expect.any(String) as string });

    await expect
      .poll(async () => {
        const { json } = await call("GET", "/v1/audit?limit=50");
        const facts = json.items as readonly { actor: string; target: string; result: string; errorCode: string }[];
        return facts
          .filter(({ target }) => target === tokenId)
          .map(({ actor, result, errorCode }) => `${actor.split(" ")[0]} ${result} ${errorCode}`.trim())
          .toSorted();
      })
      .toEqual([
        "admin refused ACTIVATION_APPROVAL_BY_CREATOR",
        "agent success",
        "anonymous refused ACTIVATION_NOT_APPROVED",
        "second success",
      ]);
  });
});

describe("certificates on the real control plane", () => {
  let fabricId = "";
  let serials = { tunnel: "", monitoring: "" };

  test("of a fabric are those that activation had issued (REN 1, META)", async () => {
    const body = { fabric: "plant", environments: ["production"] };
    const made = await call("POST", "/v1/fabric-tokens", { body });
    serials = await world.activate(made.json.token);
    ({ fabricId } = made.json);
    const { json } = await call("GET", "/v1/fabrics/plant");
    expect(json).toMatchObject({
      certificates: [
        { purpose: "tunnel", serialNumber: serials.tunnel, state: "issued" },
        { purpose: "monitoring", serialNumber: serials.monitoring, state: "issued" },
      ],
      collector: null,
      lock: null,
      recovery: null, // runtime-manager learns who the agent is when it connects
      unknown: [],
    });
    const listed = await call("GET", "/v1/certificates?fabric=plant");
    const subjects = listed.json.items.map(({ subject }: { subject: string }) => subject);
    expect(subjects.toSorted()).toEqual(["agent of plant", "collector of plant"]);
  });

  test("of services are listed with them, page by page", async () => {
    const subjects: string[] = [];
    let pageToken = "";
    do {
      const { json } = await call("GET", `/v1/certificates?limit=3&pageToken=${pageToken}`);
      subjects.push(...json.items.map(({ subject }: { subject: string }) => subject));
      pageToken = json.nextPageToken;
    } while (pageToken !== "");
    expect(subjects).toContain("service monitoring-ingest");
    expect(subjects).toContain("agent of plant");
  });

  test("are revoked for ever, by serial number and by fingerprint (REN 6)", async () => {
    const { json } = await call("GET", `/v1/certificates/${serials.monitoring}`);
    const byPrint = { fingerprintSha256: json.fingerprintSha256, reason: "it leaked" };
    expect((await call("POST", "/v1/certificates/revoke", { body: byPrint })).json).toMatchObject({
      revoked: [serials.monitoring],
      certificate: { state: "revoked", revocationReason: "it leaked", subject: "collector of plant" },
    });
    const bySerial = { serialNumber: serials.tunnel, reason: "it leaked too" };
    const revoked = await call("POST", "/v1/certificates/revoke", { body: bySerial });
    expect(revoked.json).toMatchObject({ revoked: [serials.tunnel] });
    const strange = { fingerprintSha256: `sha256:${"0".repeat(64)}`, reason: "nobody has a record of it" };
    const unknown = await call("POST", "/v1/certificates/revoke", { body: strange });
    expect(unknown).toMatchObject({ status: 200, json: { certificate: null } });
    const absent = { serialNumber: "0123", reason: "x" };
    const missing = await call("POST", "/v1/certificates/revoke", { body: absent });
    expect(missing.json.code).toBe("CERTIFICATE_NOT_FOUND");
  });

  test("of a fabric whose agent never connected leave nothing to recover", async () => {
    const allowed = await call("POST", "/v1/fabrics/plant/recovery/allow", { body: {} });
    expect(allowed.json.code).toBe("FABRIC_NOT_ACTIVATED");
  });

  test("are made anew with a token for the same fabric", async () => {
    const { json } = await call("POST", "/v1/fabrics/plant/recovery/token", { body: {} });
    expect(json).toMatchObject({ fabricId, fabric: "plant" });
    const renewed = await world.activate(json.token);
    const shown = await call("GET", "/v1/fabrics/plant");
    expect(shown.json.fabricId).toBe(fabricId);
    expect(shown.json.certificates).toContainEqual(
      expect.objectContaining({ purpose: "tunnel", serialNumber: renewed.tunnel, state: "issued" }),
    );
  });

  test("have an authority whose root is rotated, forced and rolled back (R8)", async () => {
    const standby = (await call("GET", "/v1/ca")).json;
    expect(standby).toMatchObject({ phase: "standby", roots: 1, waitingFor: 0 });
    expect(standby.keys).toContainEqual(expect.objectContaining({ kind: "root", state: "active" }));
    const nothing = await call("POST", "/v1/ca/rotation/rollback", { body: {} });
    expect(nothing.json.code).toBe("ROTATION_NOT_STARTED");

    const started = (await call("POST", "/v1/ca/rotation", { body: { reason: "a test" } })).json;
    expect(started).toMatchObject({ phase: "init", roots: 2 });
    expect((await call("POST", "/v1/ca/rotation", { body: {} })).json.code).toBe("ROTATION_IN_PROGRESS");
    const stale = { fromPhase: "update_servers", force: true };
    const other = await call("POST", "/v1/ca/rotation/advance", { body: stale });
    expect(other.json.code).toBe("ROTATION_PHASE_CHANGED");
    const forced = await call("POST", "/v1/ca/rotation/advance", { body: { fromPhase: "init", force: true } });
    expect(forced.json.authority.phase).toBe("update_clients");
    const back = await call("POST", "/v1/ca/rotation/rollback", { body: { reason: "enough" } });
    expect(back.json.phase).toBe("rollback");
    await expect
      .poll(async () => (await call("GET", "/v1/audit?limit=50")).json.items)
      .toContainEqual(expect.objectContaining({ action: "ca.enter-phase", target: "rollback" }));
  });

  test("are followed by management-api itself: a newer trust bundle is told with its answers", async () => {
    const current = String((await call("GET", "/v1/ca")).json.trustBundleSequence);
    await expect
      .poll(async () => (await call("GET", "/v1/whoami")).headers["drawbridge-trust-bundle-sequence"], {
        timeout: 240_000,
      })
      .toBe(current);
  });

  test.each([
    ["fabric", "show", "plant"],
    ["fabric", "recover", "plant"],
    ["cert", "list", "--all"],
  ])("are understood by the CLI: %s %s", async (...args) => {
    const shown = await world.cli(...args);
    expect(shown).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("plant") as string });
  });

  test("have an authority that the CLI understands", async () => {
    const { exitCode, stdout } = await world.cli("ca", "status");
    expect({ exitCode, stdout }).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("rollback") as string });
  });

  test("are shown without cert-authority as far as they are known", async () => {
    await world.kill("cert-authority");
    const { status, json } = await call("GET", "/v1/fabrics/plant");
    expect(status).toBe(200);
    expect(json.unknown.map(({ part }: { part: string }) => part)).toEqual(["certificates", "trustBundle"]);
    await world.start("cert-authority");
  });
});
