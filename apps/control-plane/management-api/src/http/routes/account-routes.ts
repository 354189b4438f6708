import { DrawbridgeError } from "@drawbridge/errors";
import { z } from "zod";
import { holdsEverywhere } from "../../domain/role.ts";
import type { AccessToken } from "../../store/access-token-repository.ts";
import type { User } from "../../store/user-repository.ts";
import { instantOrNull } from "../adapters/values.ts";
import { cursorFrom, pageOf } from "../page.ts";
import { limitedAddress } from "../request-limits.ts";
import { type Caller, definePublicRoute, defineRoute, namedInBody, type Route } from "../route.ts";
import {
  apiTokenSchema,
  loginBody,
  newApiTokenBody,
  newApiTokenSchema,
  newUserBody,
  passwordBody,
  rolesBody,
  sessionSchema,
  username,
  userSchema,
  whoamiSchema,
} from "../schemas/account.ts";
import { listOf, pageQuery, uuid } from "../schemas/common.ts";
import type { RouteServices } from "../services.ts";
import { assertBindingsKnown } from "./environment-routes.ts";

const usernamePattern = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const uuidPattern = /^[0-9a-f-]{36}$/;
const userParams = z.strictObject({ username });
const administrator = { scope: "organisation", role: "administrator" } as const;

/** Logins, users and API tokens. */
export function accountRoutes(services: RouteServices): readonly Route[] {
  return [...sessionRoutes(services), ...userRoutes(services), ...apiTokenRoutes(services)];
}

function sessionRoutes({ accounts }: RouteServices): readonly Route[] {
  return [
    definePublicRoute({
      method: "POST",
      path: "/v1/sessions",
      action: "session.create",
      summary: "Log in",
      description: "Answers with an access token for 12 hours. Failed logins are slowed down per user and per address.",
      body: loginBody,
      responses: { 201: { description: "The session, whose token is shown once.", body: sessionSchema } },
      errors: ["LOGIN_FAILED", "LOGIN_THROTTLED", "LOGIN_OVERLOADED"],
      handle: async ({ body, address, note }) => {
        // A name that no user can have may be a password in the wrong field: it is not recorded.
        if (usernamePattern.test(body.username)) note({ username: body.username });
        const session = await accounts.login({ ...body, address: limitedAddress(address) });
        note({ tokenId: session.tokenId });
        const { token, expiresAt, username: name } = session;
        return { status: 201, body: { token, expiresAt: expiresAt.toISOString(), username: name } };
      },
    }),
    defineRoute({
      method: "DELETE",
      path: "/v1/sessions/current",
      action: "session.end",
      summary: "Log out",
      description: "Revokes the access token that the request carries.",
      permission: { scope: "user" },
      responses: { 204: { description: "Logged out." } },
      errors: [],
      handle: async ({ caller }) => {
        await accounts.endToken(caller.token.id);
        return { status: 204 };
      },
    }),
    defineRoute({
      method: "GET",
      path: "/v1/whoami",
      action: "whoami.show",
      summary: "Show who is logged in",
      permission: { scope: "user" },
      responses: { 200: { description: "The caller and his roles.", body: whoamiSchema } },
      errors: [],
      handle: async ({ caller }) => {
        const { token, bindings } = caller;
        return {
          status: 200,
          body: {
            username: caller.username,
            bindings: [...bindings],
            token: { id: token.id, kind: token.kind, expiresAt: token.expiresAt.toISOString() },
          },
        };
      },
    }),
  ];
}

function userRoutes({ accounts, environments }: RouteServices): readonly Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/v1/users",
      action: "user.list",
      summary: "List users by name",
      permission: administrator,
      query: pageQuery,
      responses: { 200: { description: "Users.", body: listOf(userSchema, "A page of users.") } },
      errors: [],
      handle: async ({ query }) => {
        const afterUsername = cursorFrom(query.pageToken, usernamePattern);
        const users = await accounts.listUsers({ limit: query.limit + 1, afterUsername });
        return {
          status: 200,
          body: pageOf(users, { limit: query.limit, toJson: userToJson, cursorOf: (user) => user.username }),
        };
      },
    }),
    defineRoute({
      method: "POST",
      path: "/v1/users",
      action: "user.create",
      target: namedInBody("username"),
      summary: "Create a user",
      permission: administrator,
      body: newUserBody,
      responses: { 201: { description: "The user.", body: userSchema } },
      errors: ["USER_EXISTS", "ENVIRONMENT_NOT_FOUND", "LOGIN_OVERLOADED"],
      handle: async ({ body, caller, note }) => {
        note({ username: body.username, bindings: JSON.stringify(body.bindings) });
        await assertBindingsKnown(environments, body.bindings);
        const user = await accounts.createUser({ ...body, createdBy: caller.username });
        return { status: 201, body: userToJson(user) };
      },
    }),
    defineRoute({
      method: "PUT",
      path: "/v1/users/{username}/roles",
      action: "user.set-roles",
      summary: "Replace the roles of a user",
      description: "Holds from the next request of the user on.",
      permission: administrator,
      params: userParams,
      body: rolesBody,
      responses: { 200: { description: "The user.", body: userSchema } },
      errors: ["USER_NOT_FOUND", "ENVIRONMENT_NOT_FOUND", "LAST_ADMINISTRATOR"],
      handle: async ({ params, body, note }) => {
        note({ bindings: JSON.stringify(body.bindings) });
        await assertBindingsKnown(environments, body.bindings);
        return { status: 200, body: userToJson(await accounts.setRoles(params.username, body.bindings)) };
      },
    }),
    defineRoute({
      method: "PUT",
      path: "/v1/users/{username}/password",
      action: "user.set-password",
      summary: "Change a password",
      description:
        "One's own with the current one, or, as administrator, somebody else's. Ends every session of the user; API tokens stay.",
      permission: { scope: "user" },
      params: userParams,
      body: passwordBody,
      responses: { 204: { description: "Changed." } },
      errors: [
        "LOGIN_FAILED",
        "LOGIN_THROTTLED",
        "LOGIN_OVERLOADED",
        "PERMISSION_DENIED",
        "SESSION_REQUIRED",
        "USER_NOT_FOUND",
      ],
      handle: async ({ params, body, caller, address }) => {
        assertSession(caller, "changing a password");
        const isOwn = params.username === caller.username;
        if (!isOwn && !holdsEverywhere(caller.bindings, "administrator")) throw notYourUser(params.username);
        await accounts.changePassword({
          username: params.username,
          newPassword: body.newPassword,
          // An own password without the current one fails as a wrong one does.
          ...(isOwn ? { currentPassword: body.currentPassword ?? "" } : {}),
          address: limitedAddress(address),
        });
        return { status: 204 };
      },
    }),
    defineRoute({
      method: "DELETE",
      path: "/v1/users/{username}",
      action: "user.delete",
      summary: "Delete a user with all tokens",
      permission: administrator,
      params: userParams,
      responses: { 204: { description: "Deleted." } },
      errors: ["USER_NOT_FOUND", "LAST_ADMINISTRATOR"],
      handle: async ({ params }) => {
        await accounts.deleteUser(params.username);
        return { status: 204 };
      },
    }),
  ];
}

function apiTokenRoutes({ accounts }: RouteServices): readonly Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/v1/api-tokens",
      action: "api-token.list",
      summary: "List API tokens, newest first",
      description: "One's own; an administrator of everything sees all.",
      permission: { scope: "user" },
      query: pageQuery,
      responses: { 200: { description: "API tokens.", body: listOf(apiTokenSchema, "A page of API tokens.") } },
      errors: [],
      handle: async ({ query, caller }) => {
        const tokens = await accounts.listApiTokens({
          userId: holdsEverywhere(caller.bindings, "administrator") ? undefined : caller.userId,
          limit: query.limit + 1,
          beforeTokenId: cursorFrom(query.pageToken, uuidPattern),
        });
        return {
          status: 200,
          body: pageOf(tokens, { limit: query.limit, toJson: apiTokenToJson, cursorOf: (token) => token.tokenId }),
        };
      },
    }),
    defineRoute({
      method: "POST",
      path: "/v1/api-tokens",
      action: "api-token.create",
      summary: "Create an API token for oneself",
      description: "It may do what its user may do. Needs a login, so that a token that leaked cannot make others.",
      permission: { scope: "user" },
      body: newApiTokenBody,
      responses: { 201: { description: "The token, shown once.", body: newApiTokenSchema } },
      errors: ["SESSION_REQUIRED", "REQUEST_ID_REUSED"],
      handle: async ({ body, caller, requestId, note }) => {
        assertSession(caller, "creating an API token");
        const { description, ttlDays } = body;
        const issued = await accounts.createApiToken({ description, ttlDays, userId: caller.userId, requestId });
        note({ newTokenId: issued.tokenId, description });
        return {
          status: 201,
          body: {
            token: issued.token,
            tokenId: issued.tokenId,
            description,
            username: caller.username,
            createdAt: issued.createdAt.toISOString(),
            expiresAt: issued.expiresAt.toISOString(),
            lastUsedAt: null,
            revokedAt: null,
          },
        };
      },
    }),
    defineRoute({
      method: "DELETE",
      path: "/v1/api-tokens/{id}",
      action: "api-token.revoke",
      summary: "Revoke an API token",
      description:
        "One's own; an administrator of everything revokes any. Holds at once; repeating it changes nothing.",
      permission: { scope: "user" },
      params: z.strictObject({ id: uuid("Id of the token.") }),
      responses: { 204: { description: "Revoked." } },
      errors: ["ACCESS_TOKEN_NOT_FOUND"],
      handle: async ({ params, caller }) => {
        const owner = holdsEverywhere(caller.bindings, "administrator") ? {} : { userId: caller.userId };
        await accounts.revokeApiToken(params.id, owner);
        return { status: 204 };
      },
    }),
  ];
}

function assertSession(caller: Caller, what: string): void {
  if (caller.token.kind === "session") return;
  throw new DrawbridgeError({
    kind: "permission_denied",
    code: "SESSION_REQUIRED",
    message: `${what} needs a login with user name and password; an API token cannot do it`,
  });
}

function notYourUser(name: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "permission_denied",
    code: "PERMISSION_DENIED",
    message: `changing the password of ${name} needs the role administrator in every environment ("*")`,
  });
}

function userToJson(user: User): z.output<typeof userSchema> {
  const { username: name, bindings, createdAt, createdBy } = user;
  return { username: name, bindings: [...bindings], createdAt: createdAt.toISOString(), createdBy };
}

function apiTokenToJson(token: AccessToken): z.output<typeof apiTokenSchema> {
  return {
    tokenId: token.tokenId,
    description: token.description,
    username: token.username,
    createdAt: token.createdAt.toISOString(),
    expiresAt: token.expiresAt.toISOString(),
    lastUsedAt: instantOrNull(token.lastUsedAt),
    revokedAt: instantOrNull(token.revokedAt),
  };
}
