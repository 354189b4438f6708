import { createHmac, randomBytes } from "node:crypto";
import { z } from "zod";
import { BoundedCache } from "../../bounded-cache.ts";
import type { Exchange } from "../../pipeline/exchange.ts";
import type { RefuseOptions, Reply } from "../../pipeline/reply.ts";
import { PolicyConfigurationError } from "../../policy-configuration-error.ts";
import { definePolicyType } from "../../policy-type.ts";
import { readBasicCredentials, type BasicCredentials } from "./basic-credentials.ts";
import { decoyHash, hashPassword, isPassword, readPasswordHash, type PasswordHash } from "./password-hash.ts";

const noControlCharacters = /^\P{Cc}+$/u;

const user = z
  .strictObject({
    username: z
      .string()
      .min(1)
      .max(128)
      .regex(noControlCharacters, "must not contain control characters")
      .regex(/^[^:]+$/, "must not contain a colon")
      .describe("name that the client sends"),
    password: z
      .string()
      .min(8)
      .max(256)
      .regex(noControlCharacters, "must not contain control characters")
      .optional()
      .describe("password; replaced by its hash when the policy is saved")
      .meta({ secret: true }),
    passwordHash: z
      .string()
      .max(256)
      .refine((text) => readPasswordHash(text) !== undefined, "must be a scrypt hash like $scrypt$ln=14,r=8,p=5$...")
      .optional()
      .describe("scrypt hash of the password, instead of the password")
      .meta({ secret: true }),
  })
  .superRefine(({ password, passwordHash }, context) => {
    if ((password === undefined) === (passwordHash === undefined)) {
      context.addIssue({
        code: "custom",
        path: ["password"],
        message: "must be given, or else passwordHash; not both",
      });
    }
  });

/** Each costs 0.2 s of hashing while the save waits. */
const mostNewPasswords = 20;

const schema = z
  .strictObject({
    users: z.array(user).min(1).max(1000).describe("who may call"),
    realm: z
      .string()
      .min(1)
      .max(128)
      .regex(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/, "must be ASCII without quotes and backslashes")
      .default("API")
      .describe("what browsers show when they ask for a password"),
    forwardCredentials: z.boolean().default(false).describe("leave the credentials in the request for the upstream"),
  })
  .superRefine(({ users }, context) => {
    if (users.filter(({ password }) => password !== undefined).length > mostNewPasswords) {
      const message = `must not have more than ${mostNewPasswords} new passwords in one save; give others as passwordHash`;
      context.addIssue({ code: "custom", path: ["users"], message });
    }
    const seen = new Set<string>();
    for (const [index, { username }] of users.entries()) {
      const name = username.normalize("NFC");
      if (seen.has(name))
        context.addIssue({ code: "custom", path: ["users", index, "username"], message: "is there twice" });
      seen.add(name);
    }
  });

type Configuration = z.output<typeof schema>;

async function hashPasswords(configuration: Configuration): Promise<unknown> {
  const users = [];
  for (const { username, password, passwordHash } of configuration.users) {
    users.push({ username, passwordHash: password === undefined ? passwordHash : await hashPassword(password) });
  }
  return { ...configuration, users };
}

const mostRemembered = 10_000;
const memoryMs = 300_000;

const busy: RefuseOptions = {
  status: 503,
  reason: "password_check_busy",
  title: "Too many passwords are being checked",
  headers: ["retry-after", "1"],
};

export const basicAuthentication = definePolicyType<Configuration>({
  type: "basic-authentication",
  title: "Basic authentication",
  description: "Lets requests pass that carry the name and password of a user listed here (RFC 7617).",
  category: "security",
  schema,
  position: "ordered",
  provides: ["principal"],
  requiresContracts: () => false,
  bodyBytes: () => 0,
  prepare: hashPasswords,
  create(configuration, context, services) {
    const users = readUsers(configuration);
    const decoy = decoyHash(costliest([...users.values()]));
    // Names and passwords are remembered as a keyed digest, so that memory holds none of them.
    const digestKey = randomBytes(32);
    const digestOf = ({ username, password }: BasicCredentials) =>
      createHmac("sha256", digestKey).update(`${username}:${password}`).digest("latin1");
    const verified = new BoundedCache<true>(mostRemembered);
    const unauthorized: RefuseOptions = {
      status: 401,
      reason: "password_required",
      title: "A name and a password are required",
      headers: ["www-authenticate", `Basic realm="${configuration.realm}", charset="UTF-8"`],
    };
    const refused: RefuseOptions = {
      ...unauthorized,
      reason: "password_wrong",
      title: "The name or the password is wrong",
    };

    const accept = (exchange: Exchange, username: string): undefined => {
      exchange.principal = { sub: username };
      if (!configuration.forwardCredentials) exchange.removeHeader("authorization");
    };

    const check = (
      exchange: Exchange,
      credentials: BasicCredentials,
      digest: string,
    ): Reply | Promise<Reply | undefined> => {
      const expected = users.get(credentials.username);
      const pending = services.passwordChecks.run(() => isPassword(credentials.password, expected ?? decoy));
      if (!pending) return context.refuse(exchange, busy);
      return pending.then((isRight) => {
        if (!isRight || !expected) return context.refuse(exchange, refused);
        verified.set(digest, true, services.clock.nowMs() + memoryMs);
        return accept(exchange, credentials.username);
      });
    };

    return {
      onRequest(exchange) {
        const credentials = readBasicCredentials(exchange.header("authorization"));
        if (credentials === undefined) return context.refuse(exchange, unauthorized);
        if (credentials === "malformed") return context.refuse(exchange, refused);
        const digest = digestOf(credentials);
        if (verified.get(digest, services.clock.nowMs())) return accept(exchange, credentials.username);
        return check(exchange, credentials, digest);
      },
    };
  },
});

function readUsers({ users }: Configuration): ReadonlyMap<string, PasswordHash> {
  return new Map(
    users.map(({ username, passwordHash }, index) => {
      const hash = passwordHash === undefined ? undefined : readPasswordHash(passwordHash);
      if (!hash) throw new PolicyConfigurationError(`users[${index}].password`, "has not been replaced by its hash");
      return [username.normalize("NFC"), hash];
    }),
  );
}

function costliest(hashes: readonly PasswordHash[]): PasswordHash {
  const cost = (hash: PasswordHash) => hash.parallelization * 2 ** hash.costLog2;
  const [first, ...others] = hashes;
  if (!first) throw new PolicyConfigurationError("users", "must not be empty");
  return others.reduce((most, hash) => (cost(hash) > cost(most) ? hash : most), first);
}
