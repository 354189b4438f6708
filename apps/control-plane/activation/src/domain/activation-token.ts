import { createHash } from "node:crypto";
import { DrawbridgeError } from "@drawbridge/errors";
import { z } from "zod";

/** What an activation token says in the clear (design R3). */
export interface TokenClaims {
  readonly tokenId: string;
  /** Activation endpoints, host:port, in order of preference. */
  readonly endpoints: readonly string[];
  readonly expiresAt: Date;
  /** SHA-256 of the SubjectPublicKeyInfo of every root CA, base64url; several while roots are rotated. */
  readonly pins: readonly string[];
}

/** A token as it came in: enough to look it up and to compare it. */
export interface PresentedToken {
  readonly tokenId: string;
  /** SHA-256 of the whole text, so that altered claims are as wrong as an altered secret. */
  readonly sha256: Buffer;
}

/** 32 random bytes, base64url without padding. */
const secretBytes = 32;
const tokenPattern = /^fat1\.(?<claims>[A-Za-z0-9_-]{1,4000})\.(?<secret>[A-Za-z0-9_-]{43})$/;

const claimsSchema = z.object({
  v: z.literal(1),
  cp: z.string().min(1),
  tid: z.uuid(),
  exp: z.number().int().positive(),
  pins: z.array(z.string().length(43)).min(1),
});

/** `fat1.<base64url JSON {v, cp, tid, exp, pins}>.<secret>`; `cp` is a comma-separated list, `exp` is in seconds. */
export function formatActivationToken(claims: TokenClaims, secret: Uint8Array): string {
  if (secret.length !== secretBytes) throw new RangeError(`the secret must have ${secretBytes} bytes`);
  const json: z.input<typeof claimsSchema> = {
    v: 1,
    cp: claims.endpoints.join(","),
    tid: claims.tokenId,
    exp: Math.floor(claims.expiresAt.getTime() / 1000),
    pins: [...claims.pins],
  };
  const middle = Buffer.from(JSON.stringify(json)).toString("base64url");
  return `fat1.${middle}.${Buffer.from(secret).toString("base64url")}`;
}

/**
 * Read a token that somebody presents. Nothing in it is believed; its hash decides.
 * @throws DrawbridgeError `ACTIVATION_TOKEN_MALFORMED` (invalid_argument): not a token, or cut short
 */
export function parseActivationToken(text: string): PresentedToken {
  const claims = tokenPattern.exec(text)?.groups?.["claims"];
  const parsed = claimsSchema.safeParse(claims === undefined ? undefined : readJson(claims));
  if (!parsed.success) throw malformed();
  return { tokenId: parsed.data.tid.toLowerCase(), sha256: hashActivationToken(text) };
}

/** What is stored of a token. */
export function hashActivationToken(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function readJson(base64url: string): unknown {
  try {
    return JSON.parse(Buffer.from(base64url, "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
}

function malformed(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "ACTIVATION_TOKEN_MALFORMED",
    message: "this is not an activation token, or a part of it is missing; copy it again as one line",
  });
}
