import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock, Component, IdSource } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import type { AuditTrail } from "../audit/audit-trail.ts";
import type { PasswordHasher } from "../credentials/password-hash.ts";
import { everyEnvironment } from "../domain/role.ts";
import type { UserRepository } from "../store/user-repository.ts";

export interface BootstrapDeps {
  readonly users: Pick<UserRepository, "isEmpty" | "createFirst">;
  readonly passwords: Pick<PasswordHasher, "hash">;
  readonly password: { reveal(): string } | undefined;
  readonly trail: Pick<AuditTrail, "begin" | "complete">;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly logger: Logger;
}

const username = "admin";
const minPasswordLength = 12;

/**
 * At start, if there is no user at all: create the administrator `admin`. The file with his password is needed then and
 * ignored afterwards.
 * @throws DrawbridgeError `BOOTSTRAP_PASSWORD_MISSING` | `BOOTSTRAP_PASSWORD_WEAK` (failed_precondition)
 */
export function createBootstrapAdministrator(deps: BootstrapDeps): Component {
  const { users, passwords, clock, ids, logger } = deps;
  return {
    name: "bootstrap administrator",
    start: async () => {
      if (!(await users.isEmpty())) return;
      const password = deps.password?.reveal();
      if (password === undefined) {
        throw new DrawbridgeError({
          kind: "failed_precondition",
          code: "BOOTSTRAP_PASSWORD_MISSING",
          message: `there is no user yet: write a password for the first administrator ("${username}") into a file and name it in DRAWBRIDGE_BOOTSTRAP_ADMIN_PASSWORD_FILE`,
        });
      }
      if (password.length < minPasswordLength) {
        throw new DrawbridgeError({
          kind: "failed_precondition",
          code: "BOOTSTRAP_PASSWORD_WEAK",
          message: `the password in DRAWBRIDGE_BOOTSTRAP_ADMIN_PASSWORD_FILE must have at least ${minPasswordLength} characters`,
        });
      }
      const intent = await deps.trail.begin({
        requestId: ids.next(),
        actor: "installation",
        address: "",
        action: "user.create",
        target: username,
        details: { bindings: "administrator in *" },
      });
      const outcome = await users.createFirst({
        userId: ids.next(),
        username,
        passwordHash: await passwords.hash(password),
        bindings: [{ role: "administrator", environment: everyEnvironment }],
        createdAt: clock.now(),
        createdBy: "installation",
      });
      const isCreated = outcome === "created";
      await deps.trail.complete(intent, {
        result: isCreated ? "success" : "failed",
        statusCode: 0,
        errorCode: isCreated ? "" : "USER_EXISTS",
        details: {},
      });
      if (isCreated) logger.info({ user: username }, "first administrator created");
    },
    stop: () => Promise.resolve(),
  };
}
