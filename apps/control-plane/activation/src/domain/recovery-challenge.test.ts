import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { createRecoveryChallenges, isChallengeAlive } from "./recovery-challenge.ts";

const key = randomBytes(32);
const now = new Date("2026-05-01T12:00:00.123Z");
const agentId = "0193a000-0000-7000-8000-000000000001";
const after = (ms: number): Date => new Date(now.getTime() + ms);

test("a challenge lives for 60 s, up to but not including the last instant (R7)", () => {
  const { challengeId, expiresAt } = createRecoveryChallenges([key], randomBytes).make(agentId, now);
  expect(expiresAt).toEqual(after(60_000));
  expect(isChallengeAlive(challengeId, after(59_999))).toBe(true);
  expect(isChallengeAlive(challengeId, after(60_000))).toBe(false);
});

test("every replica knows the nonce of a challenge that another one made, for its agent only", () => {
  const challenge = createRecoveryChallenges([key], randomBytes).make(agentId, now);
  const replica = createRecoveryChallenges([key], randomBytes);
  expect(replica.noncesOf(challenge.challengeId, agentId)).toEqual([challenge.nonce]);
  const other = replica.noncesOf(challenge.challengeId, "0193a000-0000-7000-8000-000000000002");
  expect(other).not.toEqual([challenge.nonce]);
});

test("two challenges of one instant differ", () => {
  const challenges = createRecoveryChallenges([key], randomBytes);
  const [first, second] = [challenges.make(agentId, now), challenges.make(agentId, now)];
  expect(first.challengeId).not.toBe(second.challengeId);
  expect(first.nonce.equals(second.nonce)).toBe(false);
});

test("a challenge's id is a UUID of version 8", () => {
  const { challengeId, nonce } = createRecoveryChallenges([key], randomBytes).make(agentId, now);
  expect(challengeId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(nonce).toHaveLength(32);
});
