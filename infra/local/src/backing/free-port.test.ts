import { createServer } from "node:net";
import { once } from "node:events";
import { expect, test } from "vitest";
import { choosePort, freePort } from "./free-port.ts";

test("names the owner, the port and what to do when a port is in use", async () => {
  const port = await freePort();
  const squatter = createServer().listen(port, "127.0.0.1");
  await once(squatter, "listening");
  await expect(choosePort("PostgreSQL", port)).rejects.toMatchObject({
    code: "LOCAL_PORT_IN_USE",
    details: { owner: "PostgreSQL", port: String(port) },
    message: expect.stringContaining(`127.0.0.1:${port}`) as string,
  });
  squatter.close();
  await once(squatter, "close");
  expect(await choosePort("PostgreSQL", port)).toBe(port);
});
