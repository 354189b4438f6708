import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { activateFabric, logIn } from "../src/stack/activate-fabric.ts";
import { freePortBase } from "../src/stack/free-port-base.ts";
import { openLocalStack, type LocalStack } from "../src/stack/local-stack.ts";
import { removeState } from "../src/stack/remove-state.ts";
import { eventually } from "./support/running-stack.ts";

/** Certificates of a fabric live for half a minute; those that the services begin with for longer. */
const drill = { DRAWBRIDGE_LEAF_TTL_MODE: "drill" };
const overrides = {
  bootstrap: { ...drill, DRAWBRIDGE_LEAF_TTL_SECONDS: "600" },
  "cert-authority": { ...drill, DRAWBRIDGE_LEAF_TTL_SECONDS: "30" },
};

interface Meta {
  readonly serialNumber: string;
  readonly notAfter: string;
}

async function identityOf(stack: LocalStack): Promise<Meta> {
  return JSON.parse(await readFile(join(stack.layout.agent, "identity", "current", "meta.json"), "utf8")) as Meta;
}

/** The agent was off for longer than its certificate lived. */
async function untilExpired(stack: LocalStack): Promise<Meta> {
  return eventually(async () => {
    const meta = await identityOf(stack);
    return new Date(meta.notAfter).getTime() < Date.now() ? meta : undefined;
  });
}

interface AgentStatus {
  readonly lastStatus: {
    readonly updatedAt: string;
    readonly tunnel: { readonly status: string; readonly code?: string };
  };
}

/** What the agent says of its tunnel, when it fits. */
function tunnelOf(stack: LocalStack, fits: (tunnel: AgentStatus["lastStatus"]["tunnel"]) => boolean) {
  const askedAt = new Date().toISOString();
  return eventually(async () => {
    const { stdout } = await stack.agentCli(["status", "-o", "json"]);
    const { tunnel, updatedAt } = (JSON.parse(stdout) as AgentStatus).lastStatus;
    return updatedAt > askedAt && fits(tunnel) ? tunnel : undefined; // not what an earlier process wrote
  });
}

test("a stack that was stopped for longer than certificates live resumes with its fabric", async () => {
  const folder = await mkdtemp(join(tmpdir(), "drawbridge-e2e-"));
  const open = async () =>
    openLocalStack({
      stateDir: join(folder, "state"),
      portBase,
      survives: "process-kill",
      overrides,
    });
  const portBase = await freePortBase();
  let stack = await open();
  try {
    await stack.startControlPlane();
    await logIn(stack);
    await activateFabric(stack);
    stack.service("agent").start();
    await tunnelOf(stack, ({ status }) => status === "connected");
    await stack.stop();
    const before = await untilExpired(stack);
    stack = await open();
    await stack.startControlPlane();
    expect(await activateFabric(stack)).toBe("resumed");
    stack.service("agent").start();
    const recovered = await eventually(async () => {
      const now = await identityOf(stack);
      return now.serialNumber === before.serialNumber ? undefined : now;
    });
    expect(new Date(recovered.notAfter).getTime()).toBeGreaterThan(Date.now());
    await tunnelOf(stack, ({ status }) => status === "connected");
  } finally {
    await stack.stop();
    await removeState(folder);
  }
}, 600_000);
