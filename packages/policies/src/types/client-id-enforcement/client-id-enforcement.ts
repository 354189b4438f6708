import { BoundedCache } from "../../bounded-cache.ts";
import type { ClientContract } from "../../contracts/contract-set.ts";
import { definePolicyType } from "../../policy-type.ts";
import { createCredentialReader } from "./credentials.ts";
import { clientIdEnforcementSchema } from "./schema.ts";
import { verifySecret } from "./verify-secret.ts";

/** Pairs of id and secret found valid are kept: one lookup instead of a hash and two comparisons. */
const mostVerified = 10_000;

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
    const verified = new BoundedCache<ClientContract>(mostVerified);
    let verifiedAgainst = contracts.current;
    const contractOf = (clientId: string, secret: string | undefined, nowMs: number): ClientContract | undefined => {
      if (check === "id_only") return contracts.current.find(clientId);
      if (secret === undefined) return undefined;
      // What was verified holds for the contracts that it was verified against: a revoked one is refused at once.
      if (verifiedAgainst !== contracts.current) {
        verified.clear();
        verifiedAgainst = contracts.current;
      }
      const key = `${clientId}\0${secret}`;
      const known = verified.get(key, nowMs);
      if (known !== undefined) return known;
      const contract = contracts.current.find(clientId);
      const validUntilMs = verifySecret(contract, secret, nowMs);
      if (contract === undefined || validUntilMs === undefined) return undefined;
      verified.set(key, contract, validUntilMs);
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
