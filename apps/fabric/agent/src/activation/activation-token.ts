import { DrawbridgeError } from "@drawbridge/errors";
import { Secret } from "@drawbridge/config";
import { z } from "zod";

/** An activation token, taken apart (design R3): `fat1.<claims>.<secret>`. */
export interface ActivationToken {
  /** The whole text, as it is sent. */
  readonly text: Secret;
  /** Id of the token: safe to show and log. */
  readonly tokenId: string;
  /** Activation endpoints, `host:port`, in order of preference. */
  readonly endpoints: readonly string[];
  readonly expiresAt: Date;
  /** SHA-256 of the SPKI of the root CAs, base64url: what the server's chain must end in. */
  readonly pins: readonly string[];
}

/** 32 bytes in base64url without padding. */
const secretLength = 43;
const base64url = /^[A-Za-z0-9_-]+$/;

const claimsSchema = z.object({
  v: z.literal(1),
  cp: z
    .string()
    .max(2_000)
    .regex(/^(\[[0-9a-fA-F:]+\]|[^:/\s,]+):\d{1,5}(,(\[[0-9a-fA-F:]+\]|[^:/\s,]+):\d{1,5})*$/),
  tid: z.uuid(),
  exp: z.number().int().positive(),
  pins: z.array(z.string().length(secretLength).regex(base64url)).min(1).max(8),
});

/**
 * Take a token apart and say exactly what is wrong with one that cannot be read. Messages never hold any of its text.
 * @throws DrawbridgeError `ACTIVATION_TOKEN_MALFORMED` (invalid_argument), `ACTIVATION_TOKEN_VERSION_UNSUPPORTED`
 *   (failed_precondition)
 */
export function parseActivationToken(input: string): ActivationToken {
  const text = input.trim();
  if (text === "") throw malformed("it is empty");
  if (/\s/.test(text)) throw malformed("it has white space or a line break in the middle: paste it as one line");
  const [version, claimsPart, secretPart, ...rest] = text.split(".");
  if (!/^fat\d+$/.test(version ?? "")) throw malformed('it does not begin with "fat1.": is this an activation token?');
  if (version !== "fat1") throw unsupportedVersion(version ?? "");
  if (claimsPart === undefined || claimsPart === "" || secretPart === undefined) {
    throw malformed("it is cut short: a token has three parts, separated by full stops");
  }
  if (rest.length > 0) throw malformed("it has more than three parts");

  const claims = parseClaims(claimsPart);
  if (secretPart.length < secretLength) {
    throw malformed(`it is cut short: the last part has ${secretPart.length} of ${secretLength} characters`);
  }
  if (secretPart.length > secretLength || !base64url.test(secretPart)) {
    throw malformed(`its last part is not ${secretLength} characters of base64url: copy it again`);
  }
  return {
    text: new Secret(text),
    tokenId: claims.tid,
    endpoints: claims.cp.split(","),
    expiresAt: new Date(claims.exp * 1_000),
    pins: claims.pins,
  };
}

/**
 * Refuse an expired token before anything is sent. Valid up to but not including `expiresAt`, by this machine's clock.
 * @throws DrawbridgeError `ACTIVATION_TOKEN_EXPIRED` (failed_precondition)
 */
export function assertNotExpired({ tokenId, expiresAt }: ActivationToken, now: Date): void {
  if (expiresAt > now) return;
  throw new DrawbridgeError({
    kind: "failed_precondition",
    code: "ACTIVATION_TOKEN_EXPIRED",
    message:
      `the activation token ${tokenId} expired at ${expiresAt.toISOString()}; this machine's clock says ${now.toISOString()}. ` +
      "Make a new one with `drawbridge fabric token create`, or set the clock right if it is wrong",
    details: { tokenId },
  });
}

function parseClaims(part: string): z.output<typeof claimsSchema> {
  let json: unknown;
  try {
    if (!base64url.test(part)) throw malformed("its middle part is not base64url");
    json = JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
  } catch {
    throw malformed("its middle part cannot be read: it was cut or altered");
  }
  if (typeof json === "object" && json !== null && "v" in json && typeof json.v === "number" && json.v !== 1) {
    throw unsupportedVersion(`claims version ${json.v}`);
  }
  const result = claimsSchema.safeParse(json);
  if (result.success) return result.data;
  const field = result.error.issues[0]?.path.join(".") ?? "";
  throw malformed(field === "" ? "its claims cannot be read" : `its claim "${field}" is missing or wrong`);
}

function malformed(what: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "ACTIVATION_TOKEN_MALFORMED",
    message: `the activation token cannot be used: ${what}`,
  });
}

function unsupportedVersion(version: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "ACTIVATION_TOKEN_VERSION_UNSUPPORTED",
    message: `the activation token has a version that this agent does not know (${version}); it knows fat1: use a newer agent`,
  });
}
