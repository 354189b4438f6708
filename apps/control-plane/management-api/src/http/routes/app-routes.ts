import { DesiredState } from "@drawbridge/contracts/runtime/v1/app";
import type { App, AppName } from "@drawbridge/contracts/runtime/v1/app_service";
import { z } from "zod";
import { appToJson, revisionToJson } from "../adapters/app-json.ts";
import { deployApp } from "../deploy-app.ts";
import type { ErrorCode } from "../error-catalogue.ts";
import { defineRoute, type Route } from "../route.ts";
import { appSchema, deployBody, revisionSchema, rollbackBody, scaleBody } from "../schemas/app.ts";
import { appName, environmentName, fabricRef, listOf, pageQuery, pageSize, pageToken } from "../schemas/common.ts";
import type { RouteServices } from "../services.ts";
import { visibleApps } from "../visible-apps.ts";

export const appParams = z.strictObject({ environment: environmentName, name: appName });
const viewer = { scope: "environment", role: "viewer" } as const;
const operator = { scope: "environment", role: "operator" } as const;
const appPath = "/v1/environments/{environment}/apps/{name}";
/** What every route on one app can answer. */
const appErrors = [
  "ENVIRONMENT_NOT_FOUND",
  "APP_NOT_FOUND",
  "PEER_UNAVAILABLE",
] as const satisfies readonly ErrorCode[];
/** What every change of one app can answer. */
const changeErrors = [...appErrors, "REQUEST_ID_REUSED"] as const satisfies readonly ErrorCode[];
const theApp = { 200: { description: "The app after the change.", body: appSchema } } as const;

/** Apps: what they should be, and what they are. */
export function appRoutes(services: RouteServices): readonly Route[] {
  return [...readAppRoutes(services), ...deployRoutes(services), ...wishRoutes(services)];
}

function readAppRoutes(services: RouteServices): readonly Route[] {
  const { apps, environments, org } = services;
  return [
    defineRoute({
      method: "GET",
      path: "/v1/apps",
      action: "app.list",
      summary: "List apps by environment and name",
      description:
        "Those of the environments in which the caller has a role. An environment or fabric that he may not see is refused, whether it exists or not.",
      permission: { scope: "any-environment", role: "viewer" },
      query: z.strictObject({
        environment: environmentName.optional(),
        fabric: fabricRef.optional(),
        limit: pageSize,
        pageToken,
      }),
      responses: { 200: { description: "Apps.", body: listOf(appSchema, "A page of apps.") } },
      errors: ["ENVIRONMENT_NOT_FOUND", "FABRIC_NOT_FOUND", "PAGE_TOKEN_INVALID", "PEER_UNAVAILABLE"],
      handle: async ({ query, caller, signal }) => {
        const page = await visibleApps(services, query, { caller, signal });
        return { status: 200, body: { items: page.apps.map(appToJson), nextPageToken: page.nextPageToken } };
      },
    }),
    defineRoute({
      method: "GET",
      path: appPath,
      action: "app.show",
      summary: "Show an app",
      permission: viewer,
      params: appParams,
      responses: { 200: { description: "The app.", body: appSchema } },
      errors: appErrors,
      handle: async ({ params, signal }) => {
        await environments.assertExist([params.environment]);
        const answer = await apps.getApp({ app: nameOf(org, params) }, { signal, idempotent: true });
        return { status: 200, body: appToJson(answer.app) };
      },
    }),
    defineRoute({
      method: "GET",
      path: `${appPath}/revisions`,
      action: "app.history",
      summary: "List the revisions of an app, newest first",
      permission: viewer,
      params: appParams,
      query: pageQuery,
      responses: { 200: { description: "Revisions.", body: listOf(revisionSchema, "A page of revisions.") } },
      errors: [...appErrors, "PAGE_TOKEN_INVALID"],
      handle: async ({ params, query, signal }) => {
        await environments.assertExist([params.environment]);
        const page = await apps.listRevisions(
          { app: nameOf(org, params), pageSize: query.limit, pageToken: query.pageToken },
          { signal, idempotent: true },
        );
        return { status: 200, body: { items: page.revisions.map(revisionToJson), nextPageToken: page.nextPageToken } };
      },
    }),
  ];
}

function deployRoutes(services: RouteServices): readonly Route[] {
  return [
    defineRoute({
      method: "PUT",
      path: appPath,
      action: "app.deploy",
      summary: "Deploy an app, or a new version of it",
      description:
        "The bundle must be stored. Properties in the request replace all earlier ones; a request without any keeps the earlier configuration, as long as the new version declares the same properties.",
      permission: operator,
      params: appParams,
      body: deployBody,
      responses: theApp,
      errors: [
        ...changeErrors,
        "BUNDLE_NOT_FOUND",
        "APP_NAME_MISMATCH",
        "APP_NAME_INVALID",
        "CONFIGURATION_INVALID",
        "CONFIGURATION_REQUIRED",
        "CONFIGURATION_TOO_LARGE",
        "GATEKEEPER_INVALID",
        "FABRIC_NOT_FOUND",
        "FABRIC_FULL",
        "APP_ON_OTHER_FABRIC",
        "ENVIRONMENT_NOT_ON_FABRIC",
        "PUBLIC_PORT_TAKEN",
        "ROUTE_INVALID",
        "ROUTE_TAKEN",
        "REPLICAS_OUT_OF_RANGE",
      ],
      handle: async ({ params, body, caller, requestId, signal, note }) => {
        note({ digest: body.bundleDigest, ...(body.fabric === undefined ? {} : { fabric: body.fabric }) });
        await services.environments.assertExist([params.environment]);
        const request = { ...params, body, requestId, requestedBy: caller.username, signal };
        const app = await deployApp(services, request);
        note(factsOf(app));
        return { status: 200, body: appToJson(app) };
      },
    }),
    defineRoute({
      method: "DELETE",
      path: appPath,
      action: "app.delete",
      summary: "Delete an app",
      description: "The app is shown as deleting until its fabric has removed it.",
      permission: operator,
      params: appParams,
      responses: { 202: { description: "The app, being deleted.", body: appSchema } },
      errors: changeErrors,
      handle: async ({ params, caller, requestId, signal, note }) => {
        await services.environments.assertExist([params.environment]);
        const request = { requestId, app: nameOf(services.org, params), requestedBy: caller.username };
        const answer = await services.apps.deleteApp(request, { signal, idempotent: true });
        note(factsOf(answer.app));
        return { status: 202, body: appToJson(answer.app) };
      },
    }),
  ];
}

/** Start, stop, restart, scale, roll back: fields of the wish, kept also while the fabric is away. */
function wishRoutes({ apps, environments, org }: RouteServices): readonly Route[] {
  const setState = (verb: "start" | "stop", desiredState: DesiredState): Route =>
    defineRoute({
      method: "POST",
      path: `${appPath}/${verb}`,
      action: `app.${verb}`,
      summary: verb === "start" ? "Start an app" : "Stop an app",
      permission: operator,
      params: appParams,
      responses: theApp,
      errors: changeErrors,
      handle: async ({ params, caller, requestId, signal, note }) => {
        await environments.assertExist([params.environment]);
        const request = { requestId, app: nameOf(org, params), desiredState, requestedBy: caller.username };
        const answer = await apps.setDesiredState(request, { signal, idempotent: true });
        note(factsOf(answer.app));
        return { status: 200, body: appToJson(answer.app) };
      },
    });

  return [
    setState("start", DesiredState.DESIRED_STATE_RUNNING),
    setState("stop", DesiredState.DESIRED_STATE_STOPPED),
    defineRoute({
      method: "POST",
      path: `${appPath}/restart`,
      action: "app.restart",
      summary: "Restart all replicas, one after the other",
      permission: operator,
      params: appParams,
      responses: theApp,
      errors: changeErrors,
      handle: async ({ params, caller, requestId, signal, note }) => {
        await environments.assertExist([params.environment]);
        const request = { requestId, app: nameOf(org, params), requestedBy: caller.username };
        const answer = await apps.restartApp(request, { signal, idempotent: true });
        note(factsOf(answer.app));
        return { status: 200, body: appToJson(answer.app) };
      },
    }),
    defineRoute({
      method: "POST",
      path: `${appPath}/scale`,
      action: "app.scale",
      summary: "Change the number of replicas",
      permission: operator,
      params: appParams,
      body: scaleBody,
      responses: theApp,
      errors: [...changeErrors, "REPLICAS_OUT_OF_RANGE"],
      handle: async ({ params, body, caller, requestId, signal, note }) => {
        note({ replicas: String(body.replicas) });
        await environments.assertExist([params.environment]);
        const app = nameOf(org, params);
        const request = { requestId, app, replicas: body.replicas, requestedBy: caller.username };
        const answer = await apps.scaleApp(request, { signal, idempotent: true });
        note(factsOf(answer.app));
        return { status: 200, body: appToJson(answer.app) };
      },
    }),
    defineRoute({
      method: "POST",
      path: `${appPath}/rollback`,
      action: "app.rollback",
      summary: "Go back to an earlier revision",
      description:
        "Makes a new revision with the content of the earlier one. One that never served is not chosen unless it is named.",
      permission: operator,
      params: appParams,
      body: rollbackBody,
      responses: theApp,
      errors: [...changeErrors, "REVISION_NOT_FOUND", "NO_SERVED_REVISION"],
      handle: async ({ params, body, caller, requestId, signal, note }) => {
        note({ toRevision: String(body.toRevision ?? "last that served") });
        await environments.assertExist([params.environment]);
        const app = nameOf(org, params);
        const toRevision = BigInt(body.toRevision ?? 0);
        const request = { requestId, app, toRevision, requestedBy: caller.username };
        const answer = await apps.rollbackApp(request, { signal, idempotent: true });
        note(factsOf(answer.app));
        return { status: 200, body: appToJson(answer.app) };
      },
    }),
  ];
}

export function nameOf(org: string, params: { readonly environment: string; readonly name: string }): AppName {
  return { org, environment: params.environment, name: params.name };
}

/** What the audit record says of the app after the change. */
function factsOf(app: App | undefined): Record<string, string> {
  if (!app?.spec) return {};
  const { appId, generation, revision } = app.spec;
  return { appId, fabricId: app.fabricId, generation: String(generation), revision: String(revision) };
}
