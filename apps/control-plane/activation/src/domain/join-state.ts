import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";

/** What a join state is made of, apart from its agent and the service's key. */
export interface JoinMark {
  /** One at activation, one more with each recovery. */
  readonly sequence: number;
  /** 16 random bytes: tells histories apart that share a number, as after a restored backup. */
  readonly nonce: Buffer;
}

/** A join state as it was shown. */
export type PresentedJoinState =
  | { readonly shown: "none" }
  /** Not made with our keys for this agent: altered, another agent's, or of a key that was lost. */
  | { readonly shown: "unreadable" }
  | ({ readonly shown: "ours" } & JoinMark);

export interface JoinStates {
  /** The text for an agent; the same for the same mark. */
  issue(agentId: string, mark: JoinMark): string;
  read(agentId: string, text: string): PresentedJoinState;
}

const pattern = /^js1\.([A-Za-z0-9_-]{75})$/;
const nonceBytes = 16;
const macBytes = 32;
const sequenceBytes = 8;

/**
 * Join states: `js1.` and, as base64url, sequence (8 octets), nonce (16) and an HMAC-SHA256 (32) over them and the agent's id.
 * Nothing secret is stored for them: the row holds sequence and nonce, the key is the service's. The first key makes them, every key reads them.
 */
export function createJoinStates(keys: readonly Uint8Array[]): JoinStates {
  const macKeys = keys.map((key) => subKey(key, "drawbridge join state v1"));
  const [current] = macKeys;
  if (current === undefined) throw new Error("join states need a key");

  const mac = (key: Buffer, agentId: string, body: Buffer): Buffer =>
    createHmac("sha256", key).update(agentId).update("\n").update(body).digest();

  return {
    issue: (agentId, { sequence, nonce }) => {
      const body = Buffer.alloc(sequenceBytes + nonceBytes);
      body.writeBigUInt64BE(BigInt(sequence));
      nonce.copy(body, sequenceBytes);
      return `js1.${Buffer.concat([body, mac(current, agentId, body)]).toString("base64url")}`;
    },

    read: (agentId, text) => {
      if (text === "") return { shown: "none" };
      const encoded = pattern.exec(text)?.[1] ?? "";
      const bytes = Buffer.from(encoded, "base64url");
      if (bytes.length !== sequenceBytes + nonceBytes + macBytes) return { shown: "unreadable" };
      // Two bits of the last character are in no octet: only one of four texts is the one that we issued.
      if (bytes.toString("base64url") !== encoded) return { shown: "unreadable" };
      const body = bytes.subarray(0, sequenceBytes + nonceBytes);
      const shown = bytes.subarray(body.length);
      if (!macKeys.some((key) => timingSafeEqual(mac(key, agentId, body), shown))) return { shown: "unreadable" };
      return {
        shown: "ours",
        sequence: Number(body.readBigUInt64BE()), // we wrote it: far below 2^53
        nonce: Buffer.from(body.subarray(sequenceBytes)),
      };
    },
  };
}

/** One key per purpose from the service's key (RFC 5869). */
export function subKey(key: Uint8Array, purpose: string): Buffer {
  return Buffer.from(hkdfSync("sha256", key, Buffer.alloc(0), purpose, 32));
}
