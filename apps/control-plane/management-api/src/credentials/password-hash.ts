import { randomBytes, scrypt, type ScryptOptions, timingSafeEqual } from "node:crypto";
import { DrawbridgeError } from "@drawbridge/errors";

/** Cost of scrypt (RFC 7914): memory is 128 * r * 2^logN bytes. */
export interface ScryptCost {
  readonly logN: number;
  readonly r: number;
  readonly p: number;
}

/** 2^15, 8, 3: 32 MiB per hash, one of the settings of equal strength that the OWASP Password Storage Cheat Sheet lists. */
const defaultScryptCost: ScryptCost = { logN: 15, r: 8, p: 3 };

const saltBytes = 16;
const hashBytes = 32;
/** `scrypt$<logN>$<r>$<p>$<salt>$<hash>`, salt and hash in base64url. */
const storedPattern =
  /^scrypt\$(?<logN>\d{1,2})\$(?<r>\d{1,2})\$(?<p>\d{1,2})\$(?<salt>[A-Za-z0-9_-]+)\$(?<hash>[A-Za-z0-9_-]+)$/;

export interface PasswordHasher {
  hash(password: string): Promise<string>;
  /**
   * Compare in constant time. `stored` is undefined for an unknown user: the work is done all the same, so that the time
   * tells nobody which users exist. "stale" is a match whose hash was made at another cost and should be made anew.
   */
  verify(password: string, stored: string | undefined): Promise<"match" | "stale" | "mismatch">;
}

interface StoredHash {
  readonly cost: ScryptCost;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

function parseStored(stored: string): StoredHash {
  const groups = storedPattern.exec(stored)?.groups;
  if (!groups) throw new Error("a stored password hash has an unknown form");
  return {
    cost: { logN: Number(groups["logN"]), r: Number(groups["r"]), p: Number(groups["p"]) },
    salt: Buffer.from(groups["salt"] ?? "", "base64url"),
    hash: Buffer.from(groups["hash"] ?? "", "base64url"),
  };
}

function derive(password: string, salt: Buffer, cost: ScryptCost): Promise<Buffer> {
  const N = 2 ** cost.logN;
  const options: ScryptOptions = { N, r: cost.r, p: cost.p, maxmem: 256 * N * cost.r };
  return new Promise((resolve, reject) => {
    scrypt(password.normalize("NFKC"), salt, hashBytes, options, (error, key) => {
      if (error) reject(error);
      else resolve(key);
    });
  });
}

/**
 * Hash and check passwords with scrypt, at most `maxConcurrent` at a time and `maxWaiting` in line behind them.
 * @throws DrawbridgeError `LOGIN_OVERLOADED` (resource_exhausted) when the line is full.
 */
export function createPasswordHasher(
  options: { readonly cost?: ScryptCost; readonly maxConcurrent?: number; readonly maxWaiting?: number } = {},
): PasswordHasher {
  const cost = options.cost ?? defaultScryptCost;
  const inTurn = createTurnstile(options.maxConcurrent ?? 2, options.maxWaiting ?? 64);
  const unknownUser: StoredHash = { cost, salt: randomBytes(saltBytes), hash: randomBytes(hashBytes) };

  return {
    hash: (password) =>
      inTurn(async () => {
        const salt = randomBytes(saltBytes);
        const hash = await derive(password, salt, cost);
        return `scrypt$${cost.logN}$${cost.r}$${cost.p}$${salt.toString("base64url")}$${hash.toString("base64url")}`;
      }),
    verify: (password, stored) =>
      inTurn(async () => {
        const expected = stored === undefined ? unknownUser : parseStored(stored);
        const actual = await derive(password, expected.salt, expected.cost);
        const isEqual = actual.length === expected.hash.length && timingSafeEqual(actual, expected.hash);
        if (!isEqual || stored === undefined) return "mismatch";
        const isCurrent = expected.cost.logN === cost.logN && expected.cost.r === cost.r && expected.cost.p === cost.p;
        return isCurrent ? "match" : "stale";
      }),
  };
}

/** Run work a few at a time, first come first served; refuse when too many wait. */
function createTurnstile(maxConcurrent: number, maxWaiting: number): <T>(work: () => Promise<T>) => Promise<T> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (running >= maxConcurrent) {
      if (waiting.length >= maxWaiting) {
        throw new DrawbridgeError({
          kind: "resource_exhausted",
          code: "LOGIN_OVERLOADED",
          message: "too many logins at once; try again in a moment",
          retryAfterMs: 2_000,
        });
      }
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else {
      running += 1;
    }
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}
