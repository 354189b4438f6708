import { z } from "zod";
import { clientToJson } from "../adapters/api-json.ts";
import { apiManagerOf } from "../api-manager-of.ts";
import type { ErrorCode } from "../error-catalogue.ts";
import { defineRoute, namedInBody, type Route } from "../route.ts";
import { listOf } from "../schemas/common.ts";
import {
  clientListQuery,
  clientRef,
  clientSchema,
  newClientBody,
  newSecretSchema,
  revokedClientSchema,
  rotateClientBody,
} from "../schemas/contract.ts";
import type { RouteServices } from "../services.ts";

const params = z.strictObject({ client: clientRef });
const viewer = { scope: "any-environment", role: "viewer" } as const;
/** An application belongs to no environment: its secrets and its end are felt in every one. */
const operator = { scope: "organisation", role: "operator" } as const;
const readErrors = ["CLIENT_NOT_FOUND", "PEER_UNAVAILABLE"] as const satisfies readonly ErrorCode[];

/** Client applications. */
export function apiClientRoutes(services: RouteServices): readonly Route[] {
  const { org } = services;
  return [
    defineRoute({
      method: "GET",
      path: "/v1/clients",
      action: "client.list",
      summary: "List client applications by name",
      permission: viewer,
      query: clientListQuery,
      responses: { 200: { description: "Applications.", body: listOf(clientSchema, "A page of applications.") } },
      errors: ["PAGE_TOKEN_INVALID", "PEER_UNAVAILABLE"],
      handle: async ({ query, signal }) => {
        const request = { org, withRevoked: query.revoked, pageSize: query.limit, pageToken: query.pageToken };
        const page = await apiManagerOf(services).clients.listClients(request, { signal, idempotent: true });
        return { status: 200, body: { items: page.clients.map(clientToJson), nextPageToken: page.nextPageToken } };
      },
    }),
    defineRoute({
      method: "GET",
      path: "/v1/clients/{client}",
      action: "client.show",
      summary: "Show a client application",
      permission: viewer,
      params,
      responses: { 200: { description: "The application.", body: clientSchema } },
      errors: readErrors,
      handle: async ({ params: { client: asked }, signal }) => {
        const request = { org, client: asked };
        const { client } = await apiManagerOf(services).clients.getClient(request, { signal, idempotent: true });
        return { status: 200, body: clientToJson(client) };
      },
    }),
    defineRoute({
      method: "POST",
      path: "/v1/clients",
      action: "client.create",
      target: namedInBody("name"),
      summary: "Register a client application",
      description: "The secret is in this answer and nowhere else.",
      permission: operator,
      body: newClientBody,
      responses: { 201: { description: "The application with its secret, shown once.", body: newSecretSchema } },
      errors: ["CLIENT_ALREADY_EXISTS", "CLIENT_INVALID", "REQUEST_ID_REUSED", "PEER_UNAVAILABLE"],
      handle: async ({ body, caller, requestId, signal, note }) => {
        // Not repeated: a repetition after a lost answer would be refused, for the secret is not kept.
        const request = { requestId, org, requestedBy: caller.username, ...body };
        const { client, clientSecret } = await apiManagerOf(services).clients.createClient(request, { signal });
        const created = clientToJson(client);
        note({ clientId: created.clientId });
        return { status: 201, body: { client: created, clientSecret } };
      },
    }),
    defineRoute({
      method: "POST",
      path: "/v1/clients/{client}/rotate",
      action: "client.rotate",
      summary: "Give a client application a new secret; those before stay valid for the overlap",
      permission: operator,
      params,
      body: rotateClientBody,
      responses: { 200: { description: "The application with its new secret, shown once.", body: newSecretSchema } },
      errors: [...readErrors, "CLIENT_REVOKED", "CLIENT_SECRETS_MANY", "CLIENT_INVALID", "REQUEST_ID_REUSED"],
      handle: async ({ params: { client: asked }, body, caller, requestId, signal, note }) => {
        note({ overlapSeconds: String(body.overlapSeconds) });
        const request = { requestId, org, requestedBy: caller.username, client: asked, ...body };
        const { client, clientSecret } = await apiManagerOf(services).clients.rotateClientSecret(request, { signal });
        return { status: 200, body: { client: clientToJson(client), clientSecret } };
      },
    }),
    defineRoute({
      method: "DELETE",
      path: "/v1/clients/{client}",
      action: "client.revoke",
      summary: "End a client application with its secrets and contracts, for ever",
      permission: operator,
      params,
      responses: { 200: { description: "It is over.", body: revokedClientSchema } },
      errors: [...readErrors, "REQUEST_ID_REUSED"],
      handle: async ({ params: { client: asked }, caller, requestId, signal, note }) => {
        const request = { requestId, org, requestedBy: caller.username, client: asked };
        const answer = await apiManagerOf(services).clients.revokeClient(request, { signal, idempotent: true });
        const { revokedContracts } = answer;
        note({ revokedContracts: String(revokedContracts) });
        return { status: 200, body: { client: clientToJson(answer.client), revokedContracts } };
      },
    }),
  ];
}
