import { DrawbridgeError } from "@drawbridge/errors";
import { environmentsWith, holdsEverywhere } from "../domain/role.ts";
import type { EnvironmentRepository } from "../store/environment-repository.ts";
import type { Caller } from "./route.ts";

/**
 * The environments that a list is of: the one that was asked for, or all in which the caller has a role.
 * @throws DrawbridgeError `PERMISSION_DENIED` | `ENVIRONMENT_NOT_FOUND`, the latter only to who may see all
 */
export async function visibleEnvironments(
  environments: Pick<EnvironmentRepository, "list" | "assertExist">,
  caller: Pick<Caller, "bindings">,
  asked: string | undefined,
): Promise<readonly string[]> {
  const known = (await environments.list()).map((environment) => environment.name);
  const visible = environmentsWith(caller.bindings, "viewer", known);
  if (asked === undefined) return visible;
  if (!visible.includes(asked)) {
    if (!holdsEverywhere(caller.bindings, "viewer")) throw environmentHidden(asked);
    await environments.assertExist([asked]);
  }
  return [asked];
}

function environmentHidden(environment: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "permission_denied",
    code: "PERMISSION_DENIED",
    message: `there is no environment "${environment}", or you have no role in it`,
  });
}
