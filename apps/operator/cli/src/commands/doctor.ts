import { lookup } from "node:dns/promises";
import { connect } from "node:net";
import { isDrawbridgeError, toError } from "@drawbridge/errors";
import { Command, CommanderError } from "commander";
import { createApiClient } from "../api/client.ts";
import { statusSchema, whoamiSchema } from "../api/types.ts";
import { type CommandWorld, outputOf } from "../command-context.ts";
import type { Context } from "../context/context-file.ts";
import { exitCodes } from "../exit-codes.ts";
import { formatDuration, formatTime } from "../output/format.ts";
import { outputOption } from "./options.ts";

type Verdict = "ok" | "warning" | "failed" | "skipped";

interface Check {
  readonly check: string;
  readonly verdict: Verdict;
  readonly detail: string;
}

/** Skew that is worth a word; half of it is harmless for certificates (design R21). */
const skewWarningMs = 60_000;
const tcpTimeoutMs = 5_000;

export function doctorCommand(world: CommandWorld): Command {
  return new Command("doctor")
    .description("check the way from here to the control plane: login, DNS, TCP, TLS, clock, services")
    .addOption(outputOption())
    .action(async (options: { output?: "table" | "json" }) => {
      const checks = await runChecks(world);
      outputOf(world, options).list(
        [
          { title: "CHECK", value: (row) => row.check },
          { title: "RESULT", value: (row) => row.verdict },
          { title: "DETAIL", value: (row) => row.detail },
        ],
        checks,
        { empty: "" },
      );
      if (checks.some(({ verdict }) => verdict === "failed")) {
        throw new CommanderError(exitCodes.failure, "commander.error", "a check failed");
      }
    });
}

async function runChecks(world: CommandWorld): Promise<readonly Check[]> {
  const checks: Check[] = [];
  const context = await attempt(checks, "login", async () => {
    const found = await world.contextFile.read();
    if (!found)
      return { verdict: "failed", detail: 'not logged in; run "drawbridge login <url> --trust-bundle <file>"' };
    const expired = new Date(found.expiresAt) <= world.clock.now();
    return {
      verdict: expired ? "failed" : "ok",
      detail: `${found.username} at ${found.url}, ${expired ? "ran out" : "valid until"} ${formatTime(found.expiresAt)}`,
      value: found,
    };
  });
  if (!context) return checks;
  const url = new URL(context.url);
  await attempt(checks, "DNS", async () => {
    const host = url.hostname.replace(/^\[|\]$/g, "");
    const { address } = await lookup(host);
    return { verdict: "ok", detail: host === address ? `${host} is an address` : `${host} is ${address}` };
  });
  await attempt(checks, "TCP", () => tcpCheck(url));
  await controlPlaneChecks(world, context, checks);
  return checks;
}

async function controlPlaneChecks(world: CommandWorld, context: Context, checks: Check[]): Promise<void> {
  const api = createApiClient(context);
  try {
    const reached = await attempt(checks, "TLS", async () => {
      const before = world.clock.now();
      const response = await api.open("/v1/openapi.json", {});
      await response.body.dump();
      return {
        verdict: "ok",
        detail: "TLS 1.3, the server is management-api of the control plane this login trusts",
        value: { before, date: response.headers["date"] },
      };
    });
    if (!reached) return;
    await attempt(checks, "clock", async () => {
      const server = new Date(String(reached.date ?? ""));
      if (Number.isNaN(server.getTime())) return { verdict: "skipped", detail: "the server does not tell its time" };
      const skewMs = reached.before.getTime() - server.getTime();
      const text =
        Math.abs(skewMs) < 2_000
          ? "the clocks agree"
          : `this machine is ${formatDuration(skewMs)} ${skewMs > 0 ? "ahead of" : "behind"} the control plane`;
      return { verdict: Math.abs(skewMs) > skewWarningMs ? "warning" : "ok", detail: text };
    });
    await attempt(checks, "rights", async () => {
      const who = await api.call("/v1/whoami", whoamiSchema);
      const roles = who.bindings.map(({ role, environment }) => `${role}@${environment}`).join(", ");
      return {
        verdict: roles === "" ? "warning" : "ok",
        detail:
          roles === "" ? `${who.username} has no role yet; an administrator can give one` : `${who.username}: ${roles}`,
      };
    });
    await attempt(checks, "services", async () => {
      const { services } = await api.call("/v1/status", statusSchema);
      const missing = services.filter(({ ready }) => !ready);
      const degraded = services.filter(({ ready, detail }) => ready && detail === "degraded");
      const told = [
        ...missing.map(({ service, detail }) => `${service} is not ready${detail ? ` (${detail})` : ""}`),
        ...degraded.map(({ service }) => `${service} is ready and works with less; its /readyz says what is missing`),
      ];
      if (told.length === 0) return { verdict: "ok", detail: `${services.length} services are ready` };
      return { verdict: missing.length > 0 ? "failed" : "warning", detail: told.join("; ") };
    });
  } finally {
    await api.close();
  }
}

function tcpCheck(url: URL): Promise<{ verdict: Verdict; detail: string }> {
  const port = Number(url.port || 443);
  return new Promise((resolve) => {
    const socket = connect({ host: url.hostname.replace(/^\[|\]$/g, ""), port, timeout: tcpTimeoutMs });
    const end = (verdict: Verdict, detail: string): void => {
      socket.destroy();
      resolve({ verdict, detail });
    };
    socket.once("connect", () => end("ok", `port ${port} answers`));
    socket.once("timeout", () =>
      end("failed", `port ${port} does not answer within ${tcpTimeoutMs / 1000} s; a firewall may drop it`),
    );
    socket.once("error", (error: NodeJS.ErrnoException) =>
      end("failed", `port ${port}: ${error.code ?? "cannot be reached"}; is management-api running?`),
    );
  });
}

/** Run one check, add its row, and hand on what it found; a rejection is a failed row with the reason. */
async function attempt<T>(
  checks: Check[],
  check: string,
  work: () => Promise<{ readonly verdict: Verdict; readonly detail: string; readonly value?: T }>,
): Promise<T | undefined> {
  try {
    const { verdict, detail, value } = await work();
    checks.push({ check, verdict, detail });
    return value;
  } catch (error) {
    checks.push({
      check,
      verdict: "failed",
      detail: isDrawbridgeError(error) ? error.message : `failed (${toError(error).name})`,
    });
    return undefined;
  }
}
