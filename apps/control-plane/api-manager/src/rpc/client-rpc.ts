import {
  ClientServiceService,
  CreateClientRequest,
  CreateClientResponse,
  RevokeClientRequest,
  RevokeClientResponse,
  RotateClientSecretRequest,
  RotateClientSecretResponse,
  type ClientApplication,
} from "@drawbridge/contracts/apis/v1/client_service";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock, IdSource } from "@drawbridge/lifecycle";
import {
  defineGrpcService,
  type GrpcServiceDefinition,
  pageSize,
  readPageToken,
  writePageToken,
} from "@drawbridge/rpc";
import type { Store } from "@drawbridge/store";
import { makeClientId, makeClientSecret } from "../domain/client-secret.ts";
import { fieldError } from "../domain/field-error.ts";
import { assertLabel, limits, textProblems } from "../domain/limits.ts";
import {
  endSecrets,
  getClient,
  insertClient,
  insertSecret,
  listClients,
  noteClientChanged,
  revokeClient,
  type ClientView,
} from "../store/clients.ts";
import type { ApiManagerDatabase } from "../store/database.ts";
import type { Write } from "./write.ts";

const managementApi = [{ service: "management-api" }] as const;

export function createClientRpc(deps: {
  readonly store: Pick<Store<ApiManagerDatabase>, "db">;
  readonly write: Write;
  readonly clock: Pick<Clock, "now">;
  readonly ids: IdSource;
}): GrpcServiceDefinition {
  const { write, clock, ids } = deps;
  const { db } = deps.store;
  return defineGrpcService(ClientServiceService, {
    allow: {
      createClient: managementApi,
      getClient: managementApi,
      listClients: managementApi,
      rotateClientSecret: managementApi,
      revokeClient: managementApi,
    },
    handlers: {
      createClient: (request) =>
        write(request, {
          method: "CreateClient",
          codec: { request: CreateClientRequest, response: CreateClientResponse },
          answer: "told once",
          work: async (save) => {
            const { name, description } = request;
            const problems = [
              ...textProblems("name", name, { atLeast: 1, atMost: 128 }),
              ...textProblems("description", description, { atMost: 500 }),
            ];
            if (problems.length > 0) throw fieldError("CLIENT_INVALID", problems);
            const clientId = makeClientId();
            const { secret, sha256 } = makeClientSecret();
            await insertClient(save, { clientId, name, description });
            await insertSecret(save, { secretId: ids.next(), clientId, sha256 });
            return {
              client: clientToProto(await getClient(save.tx, save.org, clientId, save.now)),
              clientSecret: secret,
            };
          },
        }),
      getClient: async ({ org, client }) => ({
        client: clientToProto(await getClient(db, assertLabel(org, "ORG_NAME_INVALID"), client, clock.now())),
      }),
      listClients: async ({ org, withRevoked, pageSize: asked, pageToken }) => {
        const limit = pageSize(asked, 100);
        const [name, clientId = ""] = readPageToken(pageToken, 2) ?? [];
        const after = name === undefined ? undefined : { name, clientId };
        const page = await listClients(db, { org, withRevoked, after, limit: limit + 1, now: clock.now() });
        const last = page.length > limit ? page[limit - 1] : undefined;
        return {
          clients: page.slice(0, limit).map(clientToProto),
          nextPageToken: last ? writePageToken([last.name, last.clientId]) : "",
        };
      },
      rotateClientSecret: (request) =>
        write(request, {
          method: "RotateClientSecret",
          codec: { request: RotateClientSecretRequest, response: RotateClientSecretResponse },
          answer: "told once",
          work: async (save) => {
            const { overlapSeconds } = request;
            if (overlapSeconds > limits.overlapSeconds) {
              const message = `must be at most ${limits.overlapSeconds}`;
              throw fieldError("CLIENT_INVALID", [{ field: "overlapSeconds", message }]);
            }
            const { clientId, revokedAt, secrets } = await getClient(save.tx, save.org, request.client, save.now);
            if (revokedAt) throw clientRevoked();
            if (overlapSeconds > 0 && secrets.length >= limits.secretsPerClient) throw tooManySecrets();
            await endSecrets(save, clientId, new Date(save.now.getTime() + overlapSeconds * 1_000));
            const { secret, sha256 } = makeClientSecret();
            await insertSecret(save, { secretId: ids.next(), clientId, sha256 });
            await noteClientChanged(save, clientId);
            return {
              client: clientToProto(await getClient(save.tx, save.org, clientId, save.now)),
              clientSecret: secret,
            };
          },
        }),
      revokeClient: (request) =>
        write(request, {
          method: "RevokeClient",
          codec: { request: RevokeClientRequest, response: RevokeClientResponse },
          work: async (save) => {
            const { clientId, revokedAt } = await getClient(save.tx, save.org, request.client, save.now);
            const revokedContracts = revokedAt ? 0 : await revokeClient(save, clientId);
            return {
              client: clientToProto(await getClient(save.tx, save.org, clientId, save.now)),
              revokedContracts,
            };
          },
        }),
    },
  });
}

export function clientRevoked(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "CLIENT_REVOKED",
    message: "the client application is revoked for ever; create another one",
  });
}

function tooManySecrets(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "CLIENT_SECRETS_MANY",
    message: `${limits.secretsPerClient} secrets are valid already: wait until one ends, or rotate without overlap`,
  });
}

function clientToProto(client: ClientView): ClientApplication {
  return { ...client, secrets: [...client.secrets] };
}
