import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { CaKeyState, RotationPhase } from "@drawbridge/contracts/certs/v1/authority_service";
import { systemClock } from "@drawbridge/lifecycle";
import { freePort, startTestPostgres, type TestPostgres } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RunningAuthority } from "./harness.ts";
import {
  advanceRequest,
  createRotationStack,
  issueAgent,
  startRequest,
  until,
  type Caller,
  type RotationStack,
} from "./rotation-harness.ts";

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startTestPostgres();
}, 120_000);
afterAll(() => postgres[Symbol.asyncDispose](), 60_000);

const main = join(import.meta.dirname, "../src/main.ts");

/** The service as a process, which can be killed. */
async function startProcess(stack: RotationStack, survivor: RunningAuthority) {
  const [internal, ops] = [await freePort(), await freePort()];
  const child = spawn(process.execPath, [main], {
    stdio: "ignore",
    env: {
      ...stack.files.env,
      ...stack.env,
      DRAWBRIDGE_ROTATION_GRACE_SECONDS: "3600",
      DRAWBRIDGE_REPLICA: "victim",
      DRAWBRIDGE_NATS_URL: stack.natsUrl,
      DRAWBRIDGE_IDENTITY_DIR: join(stack.files.identities, "cert-authority"),
      DRAWBRIDGE_CERT_AUTHORITY_ADDRESS: `127.0.0.1:${internal}`,
      DRAWBRIDGE_INTERNAL_LISTEN: `127.0.0.1:${internal}`,
      DRAWBRIDGE_FABRIC_LISTEN: "127.0.0.1:0",
      DRAWBRIDGE_OPS_LISTEN: `127.0.0.1:${ops}`,
    },
  });
  const ended = once(child, "close");
  const isReady = () =>
    fetch(`http://127.0.0.1:${ops}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
  await until(isReady, "the process");
  return {
    operator: await stack.callerOf(
      { internalAddress: `127.0.0.1:${internal}`, identityOf: (name) => survivor.identityOf(name) },
      "management-api",
    ),
    kill: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

const { ROTATION_PHASE_INIT, ROTATION_PHASE_UPDATE_CLIENTS, ROTATION_PHASE_UPDATE_SERVERS, ROTATION_PHASE_STANDBY } =
  RotationPhase;
/** Each transition, what asks for it, and when its process is killed. */
const transitions = [
  { from: ROTATION_PHASE_STANDBY, afterMs: 4, ask: (to: Caller) => to.startRotation(startRequest()) },
  {
    from: ROTATION_PHASE_INIT,
    afterMs: 8,
    ask: (to: Caller) => to.advanceRotation(advanceRequest(ROTATION_PHASE_INIT, true)),
  },
  {
    from: ROTATION_PHASE_UPDATE_CLIENTS,
    afterMs: 12,
    ask: (to: Caller) => to.advanceRotation(advanceRequest(ROTATION_PHASE_UPDATE_CLIENTS, true)),
  },
  {
    from: ROTATION_PHASE_UPDATE_SERVERS,
    afterMs: 16,
    ask: (to: Caller) => to.rollBackRotation({ requestedBy: "ada", reason: "" }),
  },
];

test("killed in any transition, all of it happened or nothing, and the other replica goes on (R26 c)", async () => {
  await using stack = await createRotationStack(postgres);
  const survivor = await stack.start({ DRAWBRIDGE_ROTATION_GRACE_SECONDS: "3600" });
  const operator = await stack.callerOf(survivor, "management-api");
  const activation = await stack.callerOf(survivor, "activation");
  for (const { from, afterMs, ask } of transitions) {
    const victim = await startProcess(stack, survivor);
    stack.trust((await operator.getAuthorityStatus({})).trustBundle);
    await victim.operator.getAuthorityStatus({}); // the connection is there: only the transition is in the way of the kill
    const asked = ask(victim.operator).catch(() => undefined); // whether it was answered does not matter
    await systemClock.sleep(afterMs);
    await victim.kill();
    await asked;
    await expect(issueAgent(activation)).resolves.toBeDefined();
    const { phase } = await operator.getAuthorityStatus({});
    if (phase === from) await ask(operator);
    await expectConsistent(stack, operator);
    await expect(issueAgent(activation)).resolves.toBeDefined();
  }
  expect((await operator.getAuthorityStatus({})).phase).toBe(RotationPhase.ROTATION_PHASE_ROLLBACK);
}, 120_000);

const active = CaKeyState.CA_KEY_STATE_ACTIVE;

/** A link for every bundle after the first, one issuing CA under each root that issues, no root too many. */
async function expectConsistent(stack: RotationStack, operator: Caller): Promise<void> {
  const { trustBundle, keys } = await operator.getAuthorityStatus({});
  stack.trust(trustBundle);
  const links = await stack.store.db.selectFrom("trust_succession").select("sequence").execute();
  expect(links).toHaveLength(Number(trustBundle?.sequence) - 1);
  const roots = keys.filter(({ kind }) => kind === "root");
  expect(roots).toHaveLength(2);
  for (const root of roots) {
    const issuing = keys.filter(
      ({ kind, issuerId, state }) => kind === "issuing" && issuerId === root.id && state === active,
    );
    expect(issuing).toHaveLength(root.state === active ? 1 : 0);
  }
}
