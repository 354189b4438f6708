import type { z } from "zod";
import { environmentsWith, everyEnvironment, type RoleBinding } from "../../domain/role.ts";
import type { Environment, EnvironmentRepository } from "../../store/environment-repository.ts";
import { defineRoute, namedInBody, type Route } from "../route.ts";
import { listOf } from "../schemas/common.ts";
import { environmentSchema, newEnvironmentBody } from "../schemas/environment.ts";
import type { RouteServices } from "../services.ts";

export function environmentRoutes({ environments, clock }: RouteServices): readonly Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/v1/environments",
      action: "environment.list",
      summary: "List the environments in which the caller has a role",
      permission: { scope: "user" },
      responses: { 200: { description: "Environments by name.", body: listOf(environmentSchema, "All of them.") } },
      errors: [],
      handle: async ({ caller }) => {
        const all = await environments.list();
        const visible = new Set(
          environmentsWith(
            caller.bindings,
            "viewer",
            all.map((environment) => environment.name),
          ),
        );
        const items = all.filter((environment) => visible.has(environment.name)).map(environmentToJson);
        return { status: 200, body: { items, nextPageToken: "" } };
      },
    }),
    defineRoute({
      method: "POST",
      path: "/v1/environments",
      action: "environment.create",
      target: namedInBody("name"),
      summary: "Create an environment",
      permission: { scope: "organisation", role: "administrator" },
      body: newEnvironmentBody,
      responses: { 201: { description: "The environment.", body: environmentSchema } },
      errors: ["ENVIRONMENT_EXISTS", "TOO_MANY_ENVIRONMENTS"],
      handle: async ({ body, caller, note }) => {
        note({ environment: body.name });
        const environment = { ...body, createdAt: clock.now(), createdBy: caller.username };
        await environments.create(environment);
        return { status: 201, body: environmentToJson(environment) };
      },
    }),
  ];
}

/** @throws DrawbridgeError `ENVIRONMENT_NOT_FOUND` */
export function assertBindingsKnown(
  environments: Pick<EnvironmentRepository, "assertExist">,
  bindings: readonly RoleBinding[],
): Promise<void> {
  return environments.assertExist(
    bindings.map((binding) => binding.environment).filter((environment) => environment !== everyEnvironment),
  );
}

function environmentToJson(environment: Environment): z.output<typeof environmentSchema> {
  const { name, description, createdAt, createdBy } = environment;
  return { name, description, createdAt: createdAt.toISOString(), createdBy };
}
