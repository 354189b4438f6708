import { systemClock } from "@drawbridge/lifecycle";
import { startGateLoad } from "./gate-load.ts";
import { appAt, levels, type Level } from "./levels.ts";
import { settle } from "./settle.ts";
import type { Stage } from "./stage.ts";

/** So long after the first refusal nothing may pass any more. */
const watchedMs = 500;

/** A contract at each level is revoked in use: seconds from the answer to the operator to the last request that passed. */
export async function revokeAtEachLevel(stage: Stage, findings: string[]): Promise<number> {
  return Math.max(...(await Promise.all(levels.map((level) => revokeAt(stage, level, findings)))));
}

async function revokeAt(stage: Stage, level: Level, findings: string[]): Promise<number> {
  const contract = await stage.contract(appAt(level));
  const load = startGateLoad(`a contract at ${level}`, {
    url: `${stage.addresses.get(appAt(level))}/`,
    headers: contract.headers,
    clients: 1,
    allowed: ["app", "policy"],
  });
  const eventually = (by: "app" | "policy") =>
    settle(
      () => load.next(),
      (answers) => answers.every((answer) => answer === by),
    );
  try {
    await eventually("app");
    await contract.revoke();
    const answeredAtMs = systemClock.monotonicMs();
    const answers = await eventually("policy");
    await systemClock.sleep(watchedMs);
    if (answers?.includes("app") ?? true) findings.push(`contract revoked, ${level}: it is not refused`);
    if (load.counts.app === 0) findings.push(`contract revoked, ${level}: it was never of use`);
    return Math.max(0, load.lastSentMs.app - answeredAtMs) / 1_000;
  } finally {
    await load.stop();
    findings.push(...load.findings);
  }
}
