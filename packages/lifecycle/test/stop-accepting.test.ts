import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

const program = fileURLToPath(new URL("serve-late.ts", import.meta.url));

function ask(port: number, connected: () => void = () => undefined): Promise<string> {
  return new Promise((resolve) => {
    get({ host: "127.0.0.1", port, agent: false }, (response) => response.setEncoding("utf8").on("data", resolve))
      .on("socket", (socket) => socket.once("connect", connected))
      .on("error", (error: NodeJS.ErrnoException) => resolve(String(error.code)));
  });
}

test("connections that wait to be accepted when a server stops accepting are served, later ones refused", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "drawbridge-"));
  const file = join(folder.path, "go-on");
  const child = fork(program, [file]);
  onTestFinished(() => void child.kill("SIGKILL"));
  const [port] = (await once(child, "message")) as [number];
  const waiting = Array.from({ length: 50 }, () => Promise.withResolvers<void>());
  const answers = waiting.map(({ resolve }) => ask(port, resolve));
  await Promise.all(waiting.map(({ promise }) => promise)); // the kernel has taken them, the server has not
  await writeFile(file, "");
  expect(await Promise.all(answers)).toEqual(waiting.map(() => "served"));
  await once(child, "exit");
  expect(await ask(port)).toBe("ECONNREFUSED");
});
