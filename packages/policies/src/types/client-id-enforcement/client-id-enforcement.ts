import type { ClientContract } from "../../contracts/contract-set.ts";
import { definePolicyType } from "../../policy-type.ts";
import { createCredentialReader } from "./credentials.ts";
import { clientIdEnforcementSchema } from "./schema.ts";
import { verifySecret } from "./verify-secret.ts";

/** Clients found valid are kept: two look-ups instead of a hash and two comparisons. */
const mostVerified = 16_384;

/** Two during a rotation. */
const mostSecrets = 4;

interface VerifiedClient {
  readonly contract: ClientContract;
  /** Until when a secret is valid, by the secret. Found by its hash, so that its time tells nothing of what it resembles. */
  readonly secrets: Map<string, number>;
}

export const clientIdEnforcement = definePolicyType({
  type: "client-id-enforcement",
  title: "Client ID enforcement",
  description: "Lets only client applications with an approved contract call the API.",
  category: "security",
  schema: clientIdEnforcementSchema,
  position: "ordered",
  provides: ["client"],
  requiresContracts: () => true,
  bodyBytes: () => 0,
  create({ credentials, check, keepSecret }, { contracts, refuse }) {
    const reader = createCredentialReader(credentials);
    const verified = new Map<string, VerifiedClient>();
    let verifiedAgainst = contracts.current;
    const remember = (contract: ClientContract, secret: string, validUntilMs: number): void => {
      const known = verified.get(contract.clientId);
      if (known !== undefined && known.secrets.size < mostSecrets) {
        known.secrets.set(secret, validUntilMs);
        return;
      }
      if (verified.size >= mostVerified) verified.clear();
      verified.set(contract.clientId, { contract, secrets: new Map([[secret, validUntilMs]]) });
    };
    const contractOf = (clientId: string, secret: string | undefined, nowMs: number): ClientContract | undefined => {
      if (check === "id_only") return contracts.current.find(clientId);
      if (secret === undefined) return undefined;
      // What was verified holds for the contracts that it was verified against: a revoked one is refused at once.
      if (verifiedAgainst !== contracts.current) {
        verified.clear();
        verifiedAgainst = contracts.current;
      }
      const known = verified.get(clientId);
      const knownUntilMs = known?.secrets.get(secret);
      if (known !== undefined && knownUntilMs !== undefined && nowMs < knownUntilMs) return known.contract;
      const contract = contracts.current.find(clientId);
      const validUntilMs = verifySecret(contract, secret, nowMs);
      if (contract === undefined || validUntilMs === undefined) return undefined;
      remember(contract, secret, validUntilMs);
      return contract;
    };
    return {
      onRequest(exchange) {
        const found = reader.read(exchange);
        if (found === undefined || (check === "id_and_secret" && found.secret === undefined)) {
          return refuse(exchange, {
            status: 401,
            reason: "client_credentials_missing",
            title: "Client credentials are missing",
            headers: ["www-authenticate", reader.challenge],
          });
        }
        const contract = contractOf(found.clientId, found.secret, exchange.nowMs);
        if (contract === undefined) {
          return refuse(exchange, {
            status: 401,
            reason: "client_credentials_invalid",
            title: "Client credentials are not valid for this API",
            headers: ["www-authenticate", reader.challenge],
          });
        }
        exchange.client = contract;
        if (!keepSecret) reader.removeSecret(exchange);
        return undefined;
      },
    };
  },
});
