import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

const program = resolve(import.meta.dirname, "../src/main.ts");
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "drawbridge-cli-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

function drawbridge(...args: string[]): Promise<Ran> {
  return new Promise((done) => {
    const child = execFile(
      process.execPath,
      [program, ...args],
      { cwd: folder, env: { PATH: process.env["PATH"], DRAWBRIDGE_CONFIG_DIR: join(folder, "config"), TZ: "UTC" } },
      (_error, stdout, stderr) => done({ exitCode: child.exitCode ?? 1, stdout, stderr }),
    );
  });
}

test("an unknown command exits with 2 and suggests the nearest", async () => {
  const ran = await drawbridge("fabrik");
  expect(ran).toMatchObject({ exitCode: 2, stdout: "" });
  expect(ran.stderr).toContain("Did you mean fabric?");
});

test("a number out of bounds exits with 2 and names the bounds", async () => {
  const ran = await drawbridge("app", "scale", "hello", "101");
  expect(ran.exitCode).toBe(2);
  expect(ran.stderr).toContain("0 to 100");
});

test("without a login every command says how to log in and exits with 3", async () => {
  const ran = await drawbridge("app", "list");
  expect(ran.exitCode).toBe(3);
  expect(ran.stderr).toContain("drawbridge login");
});

test("a login without anything to trust is refused before anything is sent", async () => {
  const ran = await drawbridge("login", "https://127.0.0.1:1");
  expect(ran.exitCode).toBe(2);
  expect(ran.stderr).toContain("--trust-bundle");
});

test("plain http is refused", async () => {
  expect(await drawbridge("login", "http://127.0.0.1:1", "--trust-bundle", "x")).toMatchObject({ exitCode: 2 });
});

test("a control plane that does not answer exits with 5", async () => {
  const ran = await drawbridge("login", "https://127.0.0.1:1", "--fingerprint", "ab".repeat(32));
  expect(ran.exitCode).toBe(5);
});

test("bundle init, build and inspect make the same bundle twice", async () => {
  await writeFile(join(folder, "server.js"), "// an app\n");
  expect(await drawbridge("bundle", "init", ".", "--name", "orders")).toMatchObject({ exitCode: 0 });
  const first = await drawbridge("bundle", "build", ".", "--out", "../one.tgz", "-o", "json").then(parse);
  const second = await drawbridge("bundle", "build", ".", "--out", "two.tgz", "-o", "json").then(parse);
  const inspected = await drawbridge("bundle", "inspect", "two.tgz", "-o", "json").then(parse);
  await rm(join(folder, "../one.tgz"), { force: true });
  expect(second.digest).toBe(first.digest);
  expect(inspected.digest).toBe(first.digest);
  expect(inspected.manifest).toMatchObject({ name: "orders", version: "0.1.0" });
});

test("bundle init leaves a manifest that exists as it is", async () => {
  await writeFile(join(folder, "drawbridge.yaml"), "mine\n");
  const ran = await drawbridge("bundle", "init", ".");
  expect(ran.exitCode).toBe(7);
  expect(await readFile(join(folder, "drawbridge.yaml"), "utf8")).toBe("mine\n");
});

test.each([
  ["a folder", "."],
  ["nothing", "missing.tgz"],
])("bundle inspect of %s is a mistake of the caller, not of drawbridge", async (_what, name) => {
  const ran = await drawbridge("bundle", "inspect", name);
  expect(ran.exitCode).toBe(2);
  expect(ran.stderr).toContain("FILE_UNREADABLE");
});

test("a manifest with errors names line and field", async () => {
  await writeFile(
    join(folder, "drawbridge.yaml"),
    "apiVersion: drawbridge/v1\nname: Orders!\nversion: 1.0.0\nruntime:\n  command: [node]\n",
  );
  const ran = await drawbridge("bundle", "build", ".");
  expect(ran.exitCode).toBe(2);
  expect(ran.stderr).toMatch(/drawbridge\.yaml:2:\d+/);
  expect(ran.stderr).toContain("name");
});

test.each(["bash", "zsh"])("the %s completion is a script that the shell accepts", async (shell) => {
  const ran = await drawbridge("completion", shell);
  expect(ran.exitCode).toBe(0);
  const file = join(folder, "completion");
  await writeFile(
    file,
    `${shell === "zsh" ? ran.stdout.replace(/^autoload.*$/m, "") : ran.stdout}\nCOMP_WORDS=(drawbridge app sc); COMP_CWORD=2; _drawbridge; echo "got:\${COMPREPLY[*]}"\n`,
  );
  const completed = await new Promise<string>((done) => execFile("bash", [file], (_error, stdout) => done(stdout)));
  expect(completed).toContain("got:scale");
});

function parse(ran: Ran): { readonly digest: string; readonly manifest: unknown } {
  expect(ran.stderr === "" || ran.exitCode === 0).toBe(true);
  return JSON.parse(ran.stdout) as { digest: string; manifest: unknown };
}
