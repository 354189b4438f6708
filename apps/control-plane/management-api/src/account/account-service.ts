import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock, IdSource } from "@drawbridge/lifecycle";
import type { PasswordHasher } from "../credentials/password-hash.ts";
import { hashTokenSecret, newTokenSecret } from "../credentials/token-secret.ts";
import { formatAccessToken } from "../domain/access-token.ts";
import type { RoleBinding } from "../domain/role.ts";
import type { AccessToken, AccessTokenRepository } from "../store/access-token-repository.ts";
import { type User, userNotFound, type UserRepository } from "../store/user-repository.ts";
import type { LoginGate } from "./login-gate.ts";

/** A login lasts a working day. */
const sessionSeconds = 12 * 3_600;
const secondsPerDay = 86_400;

/** A new token with its secret, which is nowhere else. */
export interface IssuedToken {
  readonly token: string;
  readonly tokenId: string;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

/** Users, their logins and their tokens. */
export interface AccountService {
  /** @throws DrawbridgeError `LOGIN_FAILED` | `LOGIN_THROTTLED` | `LOGIN_OVERLOADED` */
  login(credentials: {
    readonly username: string;
    readonly password: string;
    readonly address: string;
  }): Promise<IssuedToken & { readonly username: string }>;
  endToken(tokenId: string): Promise<void>;
  createApiToken(options: {
    readonly userId: string;
    readonly description: string;
    readonly ttlDays: number;
    readonly requestId: string;
  }): Promise<IssuedToken>;
  listApiTokens: AccessTokenRepository["listApiTokens"];
  /** @throws `ACCESS_TOKEN_NOT_FOUND` */
  revokeApiToken(tokenId: string, owner: { readonly userId?: string }): Promise<void>;
  createUser(options: {
    readonly username: string;
    readonly password: string;
    readonly bindings: readonly RoleBinding[];
    readonly createdBy: string;
  }): Promise<User>;
  listUsers: UserRepository["list"];
  findUser: UserRepository["find"];
  setRoles: UserRepository["setBindings"];
  /** With `currentPassword` that one must be right. Ends every session of the user. @throws `LOGIN_FAILED` | `USER_NOT_FOUND` */
  changePassword(options: {
    readonly username: string;
    readonly newPassword: string;
    readonly currentPassword?: string;
    readonly address: string;
  }): Promise<void>;
  deleteUser(username: string): Promise<void>;
}

export interface AccountServiceDeps {
  readonly users: UserRepository;
  readonly tokens: AccessTokenRepository;
  readonly passwords: PasswordHasher;
  readonly gate: LoginGate;
  readonly clock: Clock;
  readonly ids: IdSource;
}

export function createAccountService(deps: AccountServiceDeps): AccountService {
  const { users, tokens, passwords, gate, clock, ids } = deps;

  async function issue(options: {
    readonly kind: AccessToken["kind"];
    readonly userId: string;
    readonly description: string;
    readonly lifeSeconds: number;
    readonly requestId: string;
  }): Promise<IssuedToken> {
    const { kind, userId, description, lifeSeconds, requestId } = options;
    const tokenId = ids.next();
    const secret = newTokenSecret();
    const createdAt = clock.now();
    const expiresAt = new Date(createdAt.getTime() + lifeSeconds * 1_000);
    await tokens.create({
      tokenId,
      kind,
      userId,
      requestId,
      description,
      secretSha256: hashTokenSecret(secret),
      createdAt,
      expiresAt,
    });
    return { token: formatAccessToken({ id: tokenId, secret }), tokenId, createdAt, expiresAt };
  }

  /** The user's id if the password is right; slow on purpose, and as slow for a user who does not exist. */
  async function checkPassword(username: string, password: string): Promise<string | undefined> {
    const user = await users.findPassword(username);
    const verdict = await passwords.verify(password, user?.passwordHash);
    if (!user || verdict === "mismatch") return undefined;
    if (verdict === "stale") {
      await users.refreshPasswordHash(user.userId, user.passwordHash, await passwords.hash(password));
    }
    return user.userId;
  }

  return {
    login: async ({ username, password, address }) => {
      const userId = await gate.pass({ username, address }, () => checkPassword(username, password));
      const session = await issue({
        kind: "session",
        userId,
        description: "login",
        lifeSeconds: sessionSeconds,
        requestId: ids.next(),
      });
      return { ...session, username };
    },

    endToken: async (tokenId) => void (await tokens.revoke(tokenId, { now: clock.now() })),

    createApiToken: ({ userId, description, ttlDays, requestId }) =>
      issue({ kind: "api", userId, description, lifeSeconds: ttlDays * secondsPerDay, requestId }),

    listApiTokens: (options) => tokens.listApiTokens(options),

    revokeApiToken: async (tokenId, owner) => {
      if ((await tokens.revoke(tokenId, { ...owner, now: clock.now() })) === "revoked") return;
      throw new DrawbridgeError({
        kind: "not_found",
        code: "ACCESS_TOKEN_NOT_FOUND",
        message: "there is no API token with this id, or it is somebody else's",
        details: { tokenId },
      });
    },

    createUser: async ({ username, password, bindings, createdBy }) =>
      users.create({
        userId: ids.next(),
        username,
        passwordHash: await passwords.hash(password),
        bindings,
        createdAt: clock.now(),
        createdBy,
      }),

    listUsers: (options) => users.list(options),
    findUser: (username) => users.find(username),
    setRoles: (username, bindings) => users.setBindings(username, bindings),

    changePassword: async ({ username, newPassword, currentPassword, address }) => {
      if (!(await users.find(username))) throw userNotFound(username);
      if (currentPassword !== undefined) {
        await gate.pass({ username, address }, () => checkPassword(username, currentPassword));
      }
      await users.changePassword(username, await passwords.hash(newPassword), clock.now());
    },

    deleteUser: (username) => users.delete(username),
  };
}
