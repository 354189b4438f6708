import { z } from "zod";
import { definePolicyType } from "../../policy-type.ts";
import { createAddressSet, networkField } from "./address-set.ts";
import { clientAddressField, clientAddressOf } from "./client-address.ts";

const ipListSchema = z.strictObject({
  addresses: z
    .array(networkField)
    .min(1)
    .max(1_000)
    .meta({ description: "addresses and networks, IPv4 and IPv6: 192.0.2.7, 198.51.100.0/24, 2001:db8::/32" }),
  address: clientAddressField,
});

const common = {
  category: "security",
  schema: ipListSchema,
  position: "ordered",
  provides: [],
  requiresContracts: () => false,
  bodyBytes: () => 0,
} as const;

export const ipAllowList = definePolicyType<z.output<typeof ipListSchema>>({
  ...common,
  type: "ip-allow-list",
  title: "IP allow list",
  description:
    "Lets requests from the listed addresses pass and refuses all others, also those whose address cannot be told.",
  create({ addresses, address }, { refuse }) {
    const isListed = createAddressSet(addresses);
    const addressOf = clientAddressOf(address);
    return {
      onRequest: (exchange) =>
        isListed(addressOf(exchange)) === true
          ? undefined
          : refuse(exchange, {
              status: 403,
              reason: "address_not_allowed",
              title: "Requests from this address are not allowed",
            }),
    };
  },
});

export const ipBlockList = definePolicyType<z.output<typeof ipListSchema>>({
  ...common,
  type: "ip-block-list",
  title: "IP block list",
  description: "Refuses requests from the listed addresses, and those whose address cannot be told.",
  create({ addresses, address }, { refuse }) {
    const isListed = createAddressSet(addresses);
    const addressOf = clientAddressOf(address);
    return {
      onRequest: (exchange) =>
        isListed(addressOf(exchange)) === false
          ? undefined
          : refuse(exchange, {
              status: 403,
              reason: "address_blocked",
              title: "Requests from this address are blocked",
            }),
    };
  },
});
