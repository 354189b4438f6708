import { createHmac } from "node:crypto";
import { subKey } from "./join-state.ts";
import { uuidV8 } from "./uuid-v8.ts";

/** What an agent has to sign to show that it holds its recovery key. */
export interface RecoveryChallenge {
  /** UUID. */
  readonly challengeId: string;
  /** 32 bytes. */
  readonly nonce: Buffer;
  /** Valid up to but not including this instant. */
  readonly expiresAt: Date;
}

export interface RecoveryChallenges {
  /** For any agent id, known or not: nothing is stored or looked up. */
  make(agentId: string, now: Date): RecoveryChallenge;
  /** The nonces that this challenge may have had for the agent, one per key; never empty. */
  noncesOf(challengeId: string, agentId: string): readonly Buffer[];
}

/** Design R7. */
export const challengeLifeMs = 60_000;
const timeBytes = 6;

/**
 * Challenges without a row: the id carries its time (UUIDv8, RFC 9562 5.8), the nonce is an HMAC over id and agent under a key
 * of the service. Who signs the nonce of an id has got it from us, at that time, for that agent. Single use is kept
 * where a challenge is used.
 */
export function createRecoveryChallenges(
  keys: readonly Uint8Array[],
  randomBytes: (count: number) => Buffer,
): RecoveryChallenges {
  const macKeys = keys.map((key) => subKey(key, "drawbridge recovery challenge v1"));
  const [current] = macKeys;
  if (current === undefined) throw new Error("challenges need a key");

  const nonceOf = (key: Buffer, challengeId: string, agentId: string): Buffer =>
    createHmac("sha256", key).update(`${challengeId}\n${agentId}`).digest();

  return {
    make: (agentId, now) => {
      const bytes = randomBytes(16);
      bytes.writeUIntBE(now.getTime(), 0, timeBytes);
      const challengeId = uuidV8(bytes);
      return {
        challengeId,
        nonce: nonceOf(current, challengeId, agentId),
        expiresAt: new Date(now.getTime() + challengeLifeMs),
      };
    },
    noncesOf: (challengeId, agentId) => macKeys.map((key) => nonceOf(key, challengeId, agentId)),
  };
}

/** Whether a challenge that is proven to be ours may be used for the first time. */
export function isChallengeAlive(challengeId: string, now: Date): boolean {
  const madeAtMs = Number.parseInt(challengeId.replaceAll("-", "").slice(0, 2 * timeBytes), 16);
  return now.getTime() < madeAtMs + challengeLifeMs;
}
