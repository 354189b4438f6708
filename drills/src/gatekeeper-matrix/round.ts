import type { TestStack } from "@drawbridge/local/testing";
import type { EventName } from "./cells.ts";
import type { GateLoad } from "./gate-load.ts";
import type { Gateway } from "./gateway.ts";
import { appAt, levels } from "./levels.ts";
import type { Matrix } from "./matrix.ts";
import { revokeAtEachLevel } from "./revoke.ts";
import { settle } from "./settle.ts";
import { type Stage, unusable } from "./stage.ts";

export interface Round {
  readonly stack: TestStack;
  readonly stage: Stage;
  readonly gateway: Gateway;
  readonly matrix: Matrix;
  /** Of an API to which nothing is done, with a contract: it fails only while the gateway's process is not there. */
  readonly others: GateLoad;
  readonly events: ReadonlySet<EventName>;
  readonly version: string;
  readonly onRevoked: (seconds: number) => void;
  readonly findings: string[];
}

/** Every event that is asked for, in the order in which one makes the ground for the next. */
export async function playRound(round: Round): Promise<void> {
  const { stack, stage, gateway, matrix, events, version } = round;
  const agent = stack.stack.service("agent");
  const onAll = (work: (name: string) => Promise<unknown>): Promise<unknown> =>
    Promise.all(levels.map((level) => work(appAt(level))));

  async function event(name: EventName, make: () => Promise<unknown>): Promise<void> {
    if (!events.has(name)) return;
    await make();
    await matrix.expect(name);
  }
  /** With nobody there every request fails: the only exception, until the other API answers again as it must. */
  async function away(name: EventName, end: () => Promise<void>, others: "app" | "gate" = "app"): Promise<void> {
    await event(name, async () => {
      await cacheWritten(round);
      round.others.allow("app", "gate", "nobody");
      await end();
      await othersAnswer(round, others);
    });
  }
  const agentAway = async (name: EventName): Promise<void> => {
    if (!events.has(name)) return;
    await cacheWritten(round);
    await agent.kill();
  };
  async function agentBack(name: EventName, othersBefore: "app" | "gate" = "app"): Promise<void> {
    await event(name, async () => {
      round.others.allow(othersBefore, "app");
      agent.start();
      await agent.waitReady();
      await othersAnswer(round, "app");
    });
  }

  await event("API made", () => onAll((name) => stage.createApi(name)));
  await away("gateway killed", () => gateway.kill());
  await away("gateway stopped in order", () => gateway.stop());
  await event("app redeployed", () => onAll((name) => stage.deploy(name, version)));
  await event("app restarted", () => onAll((name) => stack.run("app", "restart", name, "--wait")));
  await event("app rolled back", () => onAll((name) => stack.run("app", "rollback", name, "--wait")));
  await event("policy edited", () => onAll((name) => stage.applyPolicy(name, editedPolicy(version))));

  await event("agent killed after policies applied", () => agentAway("agent killed after policies applied"));
  await away("gateway killed, agent away, cache there", () => gateway.kill());
  await agentBack("agent back");
  const spoilt = [
    ["gateway killed, agent away, cache gone", "agent back before policies applied", () => gateway.removeCache()],
    ["gateway killed, agent away, cache corrupt", "agent back, cache was corrupt", () => gateway.corruptCache()],
    [
      "gateway killed, agent away, cache tampered with",
      "agent back, cache was tampered with",
      () => gateway.tamperCache(),
    ],
  ] as const;
  for (const [gone, back, spoil] of spoilt) {
    await agentAway(gone);
    await away(gone, () => gateway.kill(spoil), "gate");
    await agentBack(back, "gate");
  }
  await agentAway("gateway killed, agent away, cache written again");
  await away("gateway killed, agent away, cache written again", () => gateway.kill());
  await agentBack("agent back once more");
  await away("gateway killed, agent hangs", async () => {
    process.kill(agent.pid ?? 0, "SIGSTOP");
    await gateway.kill();
  });
  await event("agent goes on", async () => {
    process.kill(agent.pid ?? 0, "SIGCONT");
    await othersAnswer(round, "app");
  });

  await event("unusable policy added", () => onAll((name) => stage.applyPolicy(name, unusable)));
  await away("gateway killed, policy unusable", () => gateway.kill());
  await event("agent killed, policy unusable", () => agentAway("agent killed, policy unusable"));
  await away("gateway killed, agent away, policy unusable", () => gateway.kill());
  await agentBack("agent back, policy unusable");
  await event("unusable policy removed", () => onAll((name) => stage.removePolicy(name, unusable.name)));
  await event("contract revoked", async () => round.onRevoked(await revokeAtEachLevel(stage, round.findings)));
  await event("API deleted", () => onAll((name) => stage.deleteApi(name)));
}

/** A gate may open before the disk has what opened it (README of gatekeeper-proxy): without this, what a kill leaves is chance. */
async function cacheWritten({ gateway, findings }: Round): Promise<void> {
  const cache = await settle(
    async () => (await gateway.view()).cache,
    (now) => now === "ok",
  );
  if (cache !== "ok") findings.push(`the gateway's cache was not written: ${cache}`);
}

async function othersAnswer({ others, findings }: Round, by: "app" | "gate"): Promise<void> {
  const answers = await settle(
    () => others.next(),
    (found) => found.every((answer) => answer === by),
  );
  if (answers?.some((answer) => answer !== by))
    findings.push(`another API: answered by ${answers.join(" and ")}, not by ${by}`);
  others.allow(by);
}

function editedPolicy(version: string) {
  const configuration = { outbound: [{ name: "x-drill", value: version }] };
  return { name: "stamp", body: { type: "header-injection", configuration } };
}
