import { readFile } from "node:fs/promises";
import { startTestStack } from "@drawbridge/local/testing";
import { drillSettings } from "./stack/drill-settings.ts";
await using t = await startTestStack({ overrides: drillSettings({ leafSeconds: 20, firstServiceLeafSeconds: 600 }) });
const stack = t.stack;
console.log("up", new Date().toISOString());
for (let i = 0; i < 6; i++) {
  await new Promise((r) => setTimeout(r, 10_000));
  const { stdout } = await stack.agentCli(["status", "-o", "json"]);
  const s = JSON.parse(stdout);
  console.log(new Date().toISOString(), s.lastStatus.tunnel.status, s.lastStatus.tunnel.code ?? "", JSON.stringify(s.certificates.map((c: { purpose: string; serialNumber: string; lastFailure: string }) => [c.purpose, c.serialNumber.slice(0, 6), c.lastFailure])), JSON.stringify(s.lastStatus.alerts.map((a: { reason: string }) => a.reason)));
}
console.log((await readFile(`${stack.layout.root}/logs/agent.log`, "utf8")).split("\n").filter((l) => /renew|tunnel|recover|trust/.test(l)).map((l) => l.slice(0, 600)).join("\n"));
