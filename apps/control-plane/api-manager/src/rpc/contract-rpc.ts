import {
  ApplyTierRequest,
  ApplyTierResponse,
  ApproveContractRequest,
  ApproveContractResponse,
  ChangeContractTierRequest,
  ChangeContractTierResponse,
  ContractServiceService,
  ContractState,
  DeleteTierRequest,
  DeleteTierResponse,
  RejectContractRequest,
  RejectContractResponse,
  RequestContractRequest,
  RequestContractResponse,
  RevokeContractRequest,
  RevokeContractResponse,
  type ContractRecord,
  type TierRecord,
} from "@drawbridge/contracts/apis/v1/contract_service";
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
import { assertDecidable, isApprovedAtOnce, type ContractDecision } from "../domain/contract.ts";
import { fieldError } from "../domain/field-error.ts";
import { assertApiKey, assertLabel, isUuid, limits, textProblems } from "../domain/limits.ts";
import { assertTier } from "../domain/tier.ts";
import { getApi } from "../store/apis.ts";
import { getClient } from "../store/clients.ts";
import { decideContract, getContract, insertContract, listContracts, type ContractView } from "../store/contracts.ts";
import type { ApiManagerDatabase } from "../store/database.ts";
import type { Save } from "../store/save.ts";
import { applyTier, deleteTier, getTier, listTiers, type TierView } from "../store/tiers.ts";
import { clientRevoked } from "./client-rpc.ts";
import type { Write } from "./write.ts";

const managementApi = [{ service: "management-api" }] as const;

export function createContractRpc(deps: {
  readonly store: Pick<Store<ApiManagerDatabase>, "db">;
  readonly write: Write;
  readonly clock: Pick<Clock, "now">;
  readonly ids: IdSource;
}): GrpcServiceDefinition {
  const { write, clock, ids } = deps;
  const { db } = deps.store;

  return defineGrpcService(ContractServiceService, {
    allow: {
      applyTier: managementApi,
      listTiers: managementApi,
      deleteTier: managementApi,
      requestContract: managementApi,
      listContracts: managementApi,
      getContract: managementApi,
      approveContract: managementApi,
      rejectContract: managementApi,
      revokeContract: managementApi,
      changeContractTier: managementApi,
    },
    handlers: {
      applyTier: (request) =>
        write(request, {
          method: "ApplyTier",
          codec: { request: ApplyTierRequest, response: ApplyTierResponse },
          work: async (save) => {
            const { name, description, autoApprove } = request;
            assertTier(request);
            const { apiId } = await getApi(save.tx, save.org, assertApiKey(request.api));
            const page = await listTiers(save.tx, apiId, { afterName: "", limit: limits.tiersPerApi + 1 });
            if (page.length >= limits.tiersPerApi && !page.some((tier) => tier.name === name)) {
              throw fieldError("TIER_INVALID", [
                { field: "name", message: `an API has at most ${limits.tiersPerApi} tiers` },
              ]);
            }
            await applyTier(save, apiId, {
              tierId: ids.next(),
              name,
              description,
              limits: request.limits,
              autoApprove,
            });
            return { tier: tierToProto(await getTier(save.tx, apiId, name)) };
          },
        }),
      listTiers: async ({ org, api, pageSize: asked, pageToken }) => {
        const limit = pageSize(asked, 100);
        const [afterName = ""] = readPageToken(pageToken, 1) ?? [];
        const { apiId } = await getApi(db, assertLabel(org, "ORG_NAME_INVALID"), assertApiKey(api));
        const page = await listTiers(db, apiId, { afterName, limit: limit + 1 });
        const last = page.length > limit ? page[limit - 1] : undefined;
        return { tiers: page.slice(0, limit).map(tierToProto), nextPageToken: last ? writePageToken([last.name]) : "" };
      },
      deleteTier: (request) =>
        write(request, {
          method: "DeleteTier",
          codec: { request: DeleteTierRequest, response: DeleteTierResponse },
          work: async (save) => {
            const { apiId } = await getApi(save.tx, save.org, assertApiKey(request.api));
            const tier = await getTier(save.tx, apiId, request.name);
            await deleteTier(save, apiId, tier);
            return { tierId: tier.tierId };
          },
        }),
      requestContract: (request) =>
        write(request, {
          method: "RequestContract",
          codec: { request: RequestContractRequest, response: RequestContractResponse },
          work: async (save) => {
            const api = await getApi(save.tx, save.org, assertApiKey(request.api));
            const { clientId, revokedAt } = await getClient(save.tx, save.org, request.client, save.now);
            if (revokedAt) throw clientRevoked();
            const tier = await wantedTier(save, api.apiId, request.tier);
            const contractId = ids.next();
            const state = isApprovedAtOnce(api, tier) ? "approved" : "requested";
            await insertContract(save, { contractId, apiId: api.apiId, clientId, tierId: tier?.tierId, state });
            return { contract: contractToProto(await getContract(save.tx, save.org, contractId)) };
          },
        }),
      listContracts: async ({ org: asked, environments, api, client, state, pageSize: size, pageToken }) => {
        const org = assertLabel(asked, "ORG_NAME_INVALID");
        const limit = pageSize(size, 100);
        const [before] = readPageToken(pageToken, 1) ?? [];
        const page = await listContracts(db, {
          org,
          environments,
          apiId: api && (await getApi(db, org, assertApiKey(api))).apiId,
          clientId: client === "" ? undefined : (await getClient(db, org, client, clock.now())).clientId,
          state: stateNames[state],
          before: before === undefined ? undefined : assertContractId(before),
          limit: limit + 1,
        });
        const last = page.length > limit ? page[limit - 1] : undefined;
        return {
          contracts: page.slice(0, limit).map(contractToProto),
          nextPageToken: last ? writePageToken([last.contractId]) : "",
        };
      },
      getContract: async ({ org, contractId }) => ({
        contract: contractToProto(
          await getContract(db, assertLabel(org, "ORG_NAME_INVALID"), assertContractId(contractId)),
        ),
      }),
      approveContract: (request) =>
        write(request, {
          method: "ApproveContract",
          codec: { request: ApproveContractRequest, response: ApproveContractResponse },
          work: async (save) => {
            const contract = await decidable(save, request.contractId, "approve");
            const { revokedAt } = await getClient(save.tx, save.org, contract.clientId, save.now);
            if (revokedAt) throw clientRevoked();
            const tier = request.tier === "" ? undefined : await getTier(save.tx, contract.apiId, request.tier);
            await decideContract(save, contract, { state: "approved", reason: "", tierId: tier?.tierId });
            return { contract: await afterwards(save, contract) };
          },
        }),
      rejectContract: (request) =>
        write(request, {
          method: "RejectContract",
          codec: { request: RejectContractRequest, response: RejectContractResponse },
          work: async (save) => {
            const contract = await decidable(save, request.contractId, "reject");
            await decideContract(save, contract, { state: "rejected", reason: assertReason(request.reason) });
            return { contract: await afterwards(save, contract) };
          },
        }),
      revokeContract: (request) =>
        write(request, {
          method: "RevokeContract",
          codec: { request: RevokeContractRequest, response: RevokeContractResponse },
          work: async (save) => {
            const contract = await decidable(save, request.contractId, "revoke");
            await decideContract(save, contract, { state: "revoked", reason: assertReason(request.reason) });
            return { contract: await afterwards(save, contract) };
          },
        }),
      changeContractTier: (request) =>
        write(request, {
          method: "ChangeContractTier",
          codec: { request: ChangeContractTierRequest, response: ChangeContractTierResponse },
          work: async (save) => {
            const contract = await decidable(save, request.contractId, "change the tier of");
            const tier = await wantedTier(save, contract.apiId, request.tier);
            const { reason } = contract;
            await decideContract(save, contract, { state: "approved", reason, tierId: tier?.tierId ?? null });
            return { contract: await afterwards(save, contract) };
          },
        }),
    },
  });
}

/** An API that has tiers wants one named. @throws DrawbridgeError `TIER_NOT_FOUND` | `TIER_REQUIRED` */
async function wantedTier({ tx }: Save, apiId: string, name: string): Promise<TierView | undefined> {
  if (name !== "") return getTier(tx, apiId, name);
  const tiers = await listTiers(tx, apiId, { afterName: "", limit: 10 });
  if (tiers.length === 0) return undefined;
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "TIER_REQUIRED",
    message: `the API has tiers, so name one: ${tiers.map((tier) => tier.name).join(", ")}`,
    details: { "field:tier": "is missing" },
  });
}

async function decidable(save: Save, contractId: string, decision: ContractDecision): Promise<ContractView> {
  const contract = await getContract(save.tx, save.org, assertContractId(contractId));
  assertDecidable(contract.state, decision);
  return contract;
}

async function afterwards(save: Save, { contractId }: ContractView): Promise<ContractRecord> {
  return contractToProto(await getContract(save.tx, save.org, contractId));
}

/** @throws DrawbridgeError `CONTRACT_ID_INVALID` (invalid_argument) */
function assertContractId(contractId: string): string {
  if (isUuid(contractId)) return contractId;
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "CONTRACT_ID_INVALID",
    message: "a contract is named by its id, a lower-case UUID; list them",
  });
}

function assertReason(reason: string): string {
  const problems = textProblems("reason", reason, { atMost: 200 });
  if (problems.length > 0) throw fieldError("CONTRACT_INVALID", problems);
  return reason;
}

const stateNames = {
  [ContractState.CONTRACT_STATE_UNSPECIFIED]: undefined,
  [ContractState.UNRECOGNIZED]: undefined,
  [ContractState.CONTRACT_STATE_REQUESTED]: "requested",
  [ContractState.CONTRACT_STATE_APPROVED]: "approved",
  [ContractState.CONTRACT_STATE_REJECTED]: "rejected",
  [ContractState.CONTRACT_STATE_REVOKED]: "revoked",
} as const;

const stateValues = {
  requested: ContractState.CONTRACT_STATE_REQUESTED,
  approved: ContractState.CONTRACT_STATE_APPROVED,
  rejected: ContractState.CONTRACT_STATE_REJECTED,
  revoked: ContractState.CONTRACT_STATE_REVOKED,
} as const;

function contractToProto({ apiId: _apiId, state, ...facts }: ContractView): ContractRecord {
  return { ...facts, state: stateValues[state] };
}

function tierToProto({ limits: all, ...facts }: TierView): TierRecord {
  return { ...facts, limits: [...all] };
}
