import { createTestLogger, FakeClock } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import type { RecoveryRefusal } from "../domain/recover-agent.ts";
import { createUnprovenRefusals } from "./unproven-refusals.ts";

function aTrail() {
  const clock = new FakeClock();
  const counted = { known: 0, unknown: 0 };
  const audited: RecoveryRefusal[] = [];
  let isAway = false;
  const refusals = createUnprovenRefusals({
    refuse: (refusal) => {
      if (isAway) return Promise.reject(new Error("the database is away"));
      audited.push(refusal);
      return Promise.resolve();
    },
    clock,
    metrics: {
      counter: () => ({ add: (n, labels) => void (counted[labels?.["agent"] === "known" ? "known" : "unknown"] += n) }),
    },
    logger: createTestLogger().logger,
  });
  return {
    clock,
    counted,
    audited,
    setAway: (away: boolean) => void (isAway = away),
    settle: () => refusals.stop(new AbortController().signal),
    note: (agentId: string, { isKnown = true, remoteAddress = "192.0.2.1" } = {}) =>
      refusals.note({
        code: "RECOVERY_REFUSED",
        agentId,
        fabricId: isKnown ? "fabric" : "",
        remoteAddress,
        now: clock.now(),
      }),
  };
}

test("agents that do not exist are counted and leave nothing in the audit trail, however often they are tried", () => {
  const { audited, counted, note } = aTrail();
  for (let index = 0; index < 1_000; index += 1) note(`agent-${index}`, { isKnown: false });
  expect(audited).toEqual([]);
  expect(counted).toEqual({ known: 0, unknown: 1_000 });
});

test("of an agent that exists one refusal a minute is audited, whoever asks", () => {
  const { audited, clock, counted, note } = aTrail();
  for (let index = 0; index < 100; index += 1) note("agent-1", { remoteAddress: `192.0.2.${index}` });
  expect(audited).toMatchObject([{ agentId: "agent-1", remoteAddress: "192.0.2.0", challengeId: undefined }]);
  clock.advance(59_999);
  note("agent-1");
  expect(audited).toHaveLength(1);
  clock.advance(1);
  note("agent-1");
  expect(audited).toHaveLength(2);
  expect(counted.known).toBe(102);
});

test("who knows many agents does not fill the trail either: twenty at once, then one a second", () => {
  const { audited, clock, note } = aTrail();
  for (let index = 0; index < 100; index += 1) note(`agent-${index}`);
  expect(audited).toHaveLength(20);
  clock.advance(1_000);
  for (let index = 20; index < 40; index += 1) note(`agent-${index}`);
  expect(audited).toHaveLength(21);
});

test("what could not be written is not taken for audited", async () => {
  const { audited, note, setAway, settle } = aTrail();
  setAway(true);
  note("agent-1");
  await settle();
  setAway(false);
  note("agent-1");
  await settle();
  expect(audited).toHaveLength(1);
});
