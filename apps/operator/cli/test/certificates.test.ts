import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseTrustBundleJson } from "@drawbridge/pki";
import { systemClock } from "@drawbridge/lifecycle";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Confirmation } from "../src/ask-confirmation.ts";
import type { CommandWorld } from "../src/command-context.ts";
import { createContextFile } from "../src/context/context-file.ts";
import { runCli } from "../src/run-cli.ts";
import { aFollower, anAuthority, fabricParts, type StandInApi, startStandInApi } from "./support/stand-in-api.ts";

let api: StandInApi;
let folder: string;
beforeAll(async () => {
  api = await startStandInApi();
});
afterAll(() => api[Symbol.asyncDispose]());

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "drawbridge-certificates-"));
  await createContextFile(folder).write({
    url: api.url,
    trustBundle: api.trustBundle,
    username: "admin",
    token: "dbt1.a.b",
    expiresAt: "2126-01-01T00:00:00Z",
  });
});
afterEach(async () => {
  api.requests.length = 0;
  api.authorities.splice(0, api.authorities.length, anAuthority());
  api.fabricParts = {};
  api.recoveryParts = {};
  api.newTrustBundle = undefined;
  await rm(folder, { recursive: true, force: true });
});

interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** At a terminal of 100 columns; time passes at once. */
async function run(args: readonly string[], confirmation: Confirmation = "nobody"): Promise<Ran> {
  const written = { stdout: "", stderr: "" };
  const world: CommandWorld = {
    contextFile: createContextFile(folder),
    clock: { ...systemClock, now: () => new Date(), sleep: async () => undefined },
    stdout: { write: (text) => void (written.stdout += text), isTTY: true, columns: 100 },
    stderr: { write: (text) => void (written.stderr += text) },
    askSecret: async () => "typed",
    confirm: async (question) => {
      if (confirmation !== "nobody") written.stderr += question;
      return confirmation;
    },
    readInput: async () => "",
    workingDirectory: folder,
    signal: new AbortController().signal,
  };
  return { exitCode: await runCli(world, args, "test"), ...written };
}

const sent = (line: string) => api.requests.filter((request) => request.line === line);
const advances = () => sent("POST /v1/ca/rotation/advance");

test.each([
  [["cert", "list"]],
  [["cert", "show", "0a"]],
  [["ca", "status"]],
  [["fabric", "show", "edge"]],
  [["fabric", "recover", "edge"]],
])("%j fits 100 columns", async (args) => {
  api.authorities.splice(
    0,
    1,
    anAuthority({ phase: "init", followers: [aFollower("plant-7".repeat(5))], waitingFor: 1 }),
  );
  api.fabricParts = {
    alerts: [{ reason: "ClockSkew", message: "the clock is five minutes ahead ".repeat(5), since: null }],
  };
  const { stdout, exitCode } = await run(args);
  expect(exitCode).toBe(0);
  expect(stdout.split("\n").filter((line) => line.length > 100)).toEqual([]);
  expect(stdout).not.toContain("4…"); // a serial number is never cut
});

describe("cert list", () => {
  test("names subject, state, and how far away end and renewal are", async () => {
    const { stdout, stderr } = await run(["cert", "list"]);
    expect(stdout).toMatch(/agent of edge-berlin\s+active\s+\d+ d ago\s+\d+ d ago\s+1\s+4{40}/);
    expect(stderr).toContain(`CA 1: ${"4".repeat(40)} (prepared)`);
  });

  test("asks for what it was told", async () => {
    await run(["cert", "list", "--fabric", "edge", "--all", "--limit", "7"]);
    expect(sent("GET /v1/certificates")).toMatchObject([{ query: { fabric: "edge", all: "true", limit: "7" } }]);
  });
});

describe("cert revoke (REN 6)", () => {
  test("tells whose it is, what happens, and how the fabric comes back", async () => {
    const { stderr } = await run(["cert", "revoke", "0A", "--reason", "stolen"]);
    expect(sent("POST /v1/certificates/revoke")).toMatchObject([{ body: { serialNumber: "0A", reason: "stolen" } }]);
    expect(stderr).toContain("is revoked; every listener refuses it within five seconds");
    expect(stderr).toContain("does not come back by itself");
    expect(stderr).toContain("fabric recover edge-berlin --allow");
    expect(stderr).toContain("fabric recover edge-berlin --new-token");
  });

  test("takes a fingerprint as openssl prints it", async () => {
    await run(["cert", "revoke", "--fingerprint", Array(32).fill("AB").join(":"), "--reason", "x"]);
    expect(sent("POST /v1/certificates/revoke")).toMatchObject([
      { body: { fingerprintSha256: `sha256:${"ab".repeat(32)}` } },
    ]);
  });

  test.each([
    [["--reason", "x"]],
    [["0a", "--fingerprint", "ab".repeat(32), "--reason", "x"]],
    [["0a"]],
    [["--fingerprint", "abc", "--reason", "x"]],
  ])("with %j is a mistake of the command line and asks nobody", async (args) => {
    expect((await run(["cert", "revoke", ...args])).exitCode).toBe(2);
    expect(api.requests).toEqual([]);
  });
});

describe("ca rotate (R8)", () => {
  test("says what happens next and how to watch it", async () => {
    const { stderr, exitCode } = await run(["ca", "rotate", "--reason", "yearly"]);
    expect(exitCode).toBe(0);
    expect(sent("POST /v1/ca/rotation")).toMatchObject([{ body: { reason: "yearly" } }]);
    expect(stderr).toMatch(/init[^]*update_clients[^]*update_servers[^]*ca status --watch/);
  });

  const behind = [aFollower("edge-1"), aFollower("edge-2", { kind: "collector" }), aFollower("gone", { live: false })];
  const rotating = () => api.authorities.splice(0, 1, anAuthority({ phase: "init", followers: behind, waitingFor: 2 }));

  test("--force without a terminal changes nothing and exits with the list of whom it strands", async () => {
    rotating();
    const { stderr, exitCode } = await run(["ca", "rotate", "--force", "-o", "json"]);
    expect(exitCode).toBe(7);
    expect(advances()).toEqual([]);
    expect(JSON.parse(stderr)).toMatchObject({
      code: "CONFIRMATION_REQUIRED",
      details: { phase: "init", stranded: "edge-1, edge-2 (collector)" },
    });
  });

  test("--force shows the list and asks; no is no", async () => {
    rotating();
    const { stderr, exitCode } = await run(["ca", "rotate", "--force"], "no");
    expect(exitCode).toBe(1);
    expect(stderr).toContain("strands 2 that are live and have not followed: edge-1, edge-2 (collector)");
    expect(advances()).toEqual([]);
  });

  test.each([
    [["--yes"], "nobody"],
    [[], "yes"],
  ] as const)("--force %j, answered %s, goes on from the phase that was shown", async (more, answer) => {
    rotating();
    expect((await run(["ca", "rotate", "--force", ...more], answer)).exitCode).toBe(0);
    expect(advances()).toMatchObject([{ body: { fromPhase: "init", force: true } }]);
  });

  test("--force without a rotation says so", async () => {
    const { stderr, exitCode } = await run(["ca", "rotate", "--force", "--yes"]);
    expect(exitCode).toBe(7);
    expect(stderr).toContain("ROTATION_NOT_STARTED");
    expect(advances()).toEqual([]);
  });

  test("ca advance does not force", async () => {
    rotating();
    await run(["ca", "advance"]);
    expect(advances()).toMatchObject([{ body: { fromPhase: "init", force: false } }]);
  });
});

describe("ca status", () => {
  test("names who is behind, with what is missing, and whether he is waited for", async () => {
    const followers = [aFollower("edge-1"), aFollower("gone", { live: false }), aFollower("fine", { missing: [] })];
    api.authorities.splice(0, 1, anAuthority({ phase: "init", followers, waitingFor: 1, alerts: ["it is late"] }));
    const { stdout } = await run(["ca", "status"]);
    expect(stdout).toMatch(/edge-1\s+agent\s+trust-bundle, certificate\s.*yes/);
    expect(stdout).toMatch(/gone\s.*no, it is away/);
    expect(stdout).not.toContain("fine");
    expect(stdout).toContain("it is late");
  });

  test("--watch follows until standby", async () => {
    const phases = ["init", "init", "update_clients", "update_servers", "standby"];
    api.authorities.splice(0, 1, ...phases.map((phase) => anAuthority({ phase })));
    const { stderr, stdout, exitCode } = await run(["ca", "status", "--watch"]);
    expect(exitCode).toBe(0);
    const told = [...stderr.matchAll(/: (init|update_clients|update_servers|standby) \(/g)].map(([, phase]) => phase);
    expect(told).toEqual(["init", "update_clients", "update_servers", "standby"]);
    expect(stdout).toContain("no rotation in progress");
  });
});

describe("fabric show", () => {
  test("has every certificate with state, end, renewal and its last failure (META)", async () => {
    const { stdout } = await run(["fabric", "show", "edge"]);
    expect(stdout).toMatch(/tunnel, active, 4{40}\n\s+expires:\s+\S+ \S+ \S+ \(.* ago\)\n\s+renews:/);
    expect(stdout).toMatch(/monitoring, issued[^]*renews:\s+not reported by the agent\n\s+last failure:\s+X/);
    expect(stdout).toContain("acknowledged, sequence 2");
  });

  test("says what is wrong, and what to do about a lock", async () => {
    api.fabricParts = {
      clock: "fail",
      clockSkewMs: 3_600_000,
      trustBundle: { state: "behind", acknowledgedSequence: 1, currentSequence: 2 },
      lock: { reason: "DUPLICATE_AGENT", message: "two of them", since: null, remedy: "stop one of them" },
    };
    const { stdout } = await run(["fabric", "show", "edge"]);
    expect(stdout).toContain("FAIL: set the fabric's clock");
    expect(stdout.replaceAll(/\s+/g, " ")).toContain("1 h ahead of the control plane");
    expect(stdout).toContain("BEHIND: acknowledged 1, current is 2");
    expect(stdout).toMatch(/DUPLICATE_AGENT: two of them[^]*what to do:\s+stop one of them/);
  });

  test("names what is unknown, and shows the rest", async () => {
    const unknown = [
      { part: "certificates", service: "cert-authority", message: "cert-authority is away" },
      { part: "collector", service: "monitoring-ingest", message: "monitoring-ingest is away" },
      { part: "recovery", service: "activation", message: "activation is away" },
    ];
    const certificates = fabricParts.certificates.map((one) => Object.assign({}, one, { state: "unknown" }));
    api.fabricParts = { certificates, collector: null, recovery: null, unknown };
    const { stdout, exitCode } = await run(["fabric", "show", "edge"]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/Collector:\s+unknown: monitoring-ingest is away/);
    expect(stdout).toMatch(/Recovery:\s+unknown: activation is away/);
    expect(stdout).toMatch(/state:\s+unknown: cert-authority is away/);
    expect(stdout).toMatch(/Last seen/);
  });
});

describe("fabric recover (REN 7)", () => {
  test("shows the state and says what can be done", async () => {
    api.recoveryParts = { state: "disconnected" };
    const { stdout, stderr } = await run(["fabric", "recover", "edge"]);
    expect(stdout).toContain("standard, 1 in the last 90 days");
    expect(stderr).toContain("it recovers by itself");
    expect(stderr).toContain("fabric recover edge --allow");
    expect(stderr).toContain("fabric recover edge --new-token");
  });

  test.each([
    ["AGENT_REVOKED", "was revoked by an operator"],
    ["RECOVERY_LIMIT_REACHED", "three times in 90 days"],
    ["RECOVERY_TOO_LATE", "more than 30 days ago"],
    ["RECOVERY_MANUAL_ONLY", "the mode is manual"],
  ])("that was refused with %s says what it waits for", async (lastRefusal, because) => {
    const refused = { lastRefusal, lastRefusalAt: "2026-02-01T00:00:00.000Z" };
    api.recoveryParts = { state: "disconnected", recovery: { ...fabricParts.recovery, ...refused } };
    const { stderr } = await run(["fabric", "recover", "edge"]);
    expect(stderr).toMatch(new RegExp(`waits for your permission: .*${because}`));
  });

  test("--allow sends that any join state is accepted only when it is said, with a warning", async () => {
    const quiet = await run(["fabric", "recover", "edge", "--allow"]);
    const warned = await run(["fabric", "recover", "edge", "--allow", "--accept-any-join-state"]);
    expect(sent("POST /v1/fabrics/edge/recovery/allow").map(({ body }) => body)).toEqual([
      { acceptAnyJoinState: false },
      { acceptAnyJoinState: true },
    ]);
    expect([quiet.stderr.includes("warning"), warned.stderr.includes("warning")]).toEqual([false, true]);
  });

  test("--mode sets the mode", async () => {
    await run(["fabric", "recover", "edge", "--mode", "manual"]);
    expect(sent("PUT /v1/fabrics/edge/recovery/mode")).toMatchObject([{ body: { mode: "manual" } }]);
  });

  test("--new-token tells how many certificates it revoked, and keeps the token out of the output with --out", async () => {
    const { stdout, stderr } = await run(["fabric", "recover", "edge", "--new-token", "--out", "token"]);
    expect(stdout).toContain("2 certificate(s)");
    expect(stdout).not.toContain("fat1.");
    expect(stderr).toContain(`activate --replace --token-file ${join(folder, "token")}`);
    expect(await readFile(join(folder, "token"), "utf8")).toBe("fat1.x.y\n");
  });

  test.each([
    [["--allow", "--new-token"]],
    [["--accept-any-join-state"]],
    [["--mode", "manual", "--allow"]],
    [["--ttl", "600"]],
    [["--mode", "never"]],
  ])("with %j is a mistake of the command line and asks nobody", async (args) => {
    expect((await run(["fabric", "recover", "edge", ...args])).exitCode).toBe(2);
    expect(api.requests).toEqual([]);
  });
});

test("a newer trust bundle is taken over, so that a rotation of the root does not end the login (R8)", async () => {
  const current = parseTrustBundleJson(api.trustBundle);
  const text = JSON.stringify({ ...JSON.parse(api.trustBundle), spiffe_sequence: Number(current.sequence) + 1 });
  api.newTrustBundle = { text, sequence: Number(current.sequence) + 1 };
  await run(["ca", "status"]);
  expect(await createContextFile(folder).read()).toMatchObject({ trustBundle: text, token: "dbt1.a.b" });
  await run(["ca", "status"]);
  expect(sent("GET /v1/trust-bundle")).toHaveLength(1);
});

test("a bundle of another trust domain is not taken over", async () => {
  const sequence = Number(parseTrustBundleJson(api.trustBundle).sequence) + 1;
  const other = { ...JSON.parse(api.trustBundle), trust_domain: "elsewhere", spiffe_sequence: sequence };
  api.newTrustBundle = { text: JSON.stringify(other), sequence };
  expect((await run(["ca", "status"])).exitCode).toBe(0);
  expect((await createContextFile(folder).read())?.trustBundle).toBe(api.trustBundle);
});
