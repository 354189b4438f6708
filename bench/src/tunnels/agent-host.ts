// A process of simulated agents; talks to the bench over IPC. argv: path of the agents' file.
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { cryptoRandom, fullJitterDelayMs, systemClock } from "@drawbridge/lifecycle";
import { monotonicMs, type AgentFile, type HostCommand, type HostReport, type HostTarget } from "./agent-protocol.ts";
import { openTlsClient } from "./tls-client.ts";
import { openTunnelClient, type TunnelClient } from "./tunnel-client.ts";

const file = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as AgentFile; // written by the bench

/** One agent with its reconnects (design R13). */
interface Agent {
  client: TunnelClient | undefined;
  epoch: bigint;
  failures: number;
  wasConnected: boolean;
  isWanted: boolean;
  reconnectWindowMs: number;
}

const agents = new Map<number, Agent>();

function report(message: HostReport): void {
  process.send?.(message);
}

/** Resolves when the agent is connected for the first time. */
function open(index: number, target: HostTarget): Promise<void> {
  const seed = file.agents[index];
  if (!seed) throw new Error(`there is no agent ${index}`);
  const agent: Agent = {
    client: undefined,
    epoch: 0n,
    failures: 0,
    wasConnected: false,
    isWanted: true,
    reconnectWindowMs: 2_000,
  };
  agents.set(index, agent);
  const secureContext = createSecureContext({
    key: file.privateKeyPem,
    cert: seed.certificateChainPem,
    ca: [...file.rootsPem],
    minVersion: "TLSv1.3",
  });
  const { promise, resolve } = Promise.withResolvers<void>();

  function attempt(): void {
    if (!agent.isWanted) return;
    agent.epoch = BigInt(Date.now()) * 1_000n + BigInt(agent.failures % 1_000); // grows, whatever ran before
    let isConnected = false;
    const openClient = target.kind === "tls" ? openTlsClient : openTunnelClient;
    agent.client = openClient({
      seed: seed as NonNullable<typeof seed>, // checked above
      secureContext,
      target,
      epoch: agent.epoch,
      onConnected: ({ reconnectWindowMs }) => {
        isConnected = true;
        agent.failures = 0;
        agent.reconnectWindowMs = reconnectWindowMs;
        report({ report: "connected", agent: index, atMs: monotonicMs(), isReconnect: agent.wasConnected });
        agent.wasConnected = true;
        resolve();
      },
      onApplied: (applied) => report({ report: "applied", fabricId: seed?.fabricId ?? "", ...applied }),
      onClosed: (reason) => {
        if (!agent.isWanted) return;
        if (!isConnected) report({ report: "refused", agent: index, reason });
        void again(isConnected);
      },
    });
  }

  async function again(isEdge: boolean): Promise<void> {
    agent.failures = isEdge ? 0 : agent.failures + 1;
    const delayMs = isEdge
      ? cryptoRandom.next() * agent.reconnectWindowMs
      : fullJitterDelayMs({
          attempt: agent.failures - 1,
          baseMs: 1_000,
          capMs: agent.wasConnected ? Math.min(60_000, Math.max(5_000, 2 * agent.reconnectWindowMs)) : 60_000,
          floorMs: 250,
          random: cryptoRandom,
        });
    await systemClock.sleep(delayMs);
    attempt();
  }

  attempt();
  return promise;
}

async function connectAll({ target, from, to, inFlight }: Extract<HostCommand, { command: "connect" }>): Promise<void> {
  let next = from;
  const worker = async (): Promise<void> => {
    while (next < to) {
      const index = next;
      next += 1;
      await open(index, target);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, () => worker()));
}

function disconnectAll(from: number, to: number): void {
  for (let index = from; index < to; index += 1) {
    const agent = agents.get(index);
    agents.delete(index);
    if (!agent) continue;
    agent.isWanted = false;
    agent.client?.close();
  }
  report({ report: "disconnected", from });
}

/** One heartbeat per agent in 15 s, spread evenly. */
async function beat(): Promise<void> {
  for (let second = 0; ; second = (second + 1) % 15) {
    for (const [index, agent] of agents) if (index % 15 === second) agent.client?.heartbeat();
    await systemClock.sleep(1_000);
  }
}

process.on("message", (command: HostCommand) => {
  if (command.command === "connect") void connectAll(command);
  else disconnectAll(command.from, command.to);
});
process.on("disconnect", () => process.exit(0));
void beat();
