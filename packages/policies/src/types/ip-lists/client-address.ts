import { z } from "zod";
import type { Exchange } from "../../pipeline/exchange.ts";
import { createAddressSet, networkField } from "./address-set.ts";

export const clientAddressField = z
  .discriminatedUnion("source", [
    z.strictObject({ source: z.literal("gateway") }),
    z.strictObject({ source: z.literal("connection") }),
    z.strictObject({
      source: z.literal("x_forwarded_for"),
      trustedProxies: z
        .array(networkField)
        .min(1)
        .max(100)
        .meta({ description: "proxies whose X-Forwarded-For is believed; from others it is ignored" }),
    }),
  ])
  .prefault({ source: "gateway" })
  .meta({
    description:
      "which address is meant: the client's as the gateway's own trusted proxies tell it, the other end of the connection, or the last one in X-Forwarded-For that is not a trusted proxy",
  });

type ClientAddress = z.output<typeof clientAddressField>;

/** More hops than this are made up. */
const mostHops = 32;

/** Reads the address; it may be no address at all if the header says so. */
export function clientAddressOf(configuration: ClientAddress): (exchange: Exchange) => string {
  switch (configuration.source) {
    case "gateway":
      return (exchange) => exchange.clientAddress;
    case "connection":
      return (exchange) => exchange.peerAddress;
    case "x_forwarded_for": {
      const isTrusted = createAddressSet(configuration.trustedProxies);
      return (exchange) => {
        let address = exchange.peerAddress;
        const hops = (exchange.header("x-forwarded-for") ?? "").split(",", mostHops + 1).map((hop) => hop.trim());
        if (hops.length > mostHops) return "";
        // Each proxy appended who called it: walk back while the last one believed is a proxy of ours.
        while (isTrusted(address) === true) {
          const before = hops.pop();
          if (before === undefined || before === "") break;
          address = before;
        }
        return address;
      };
    }
  }
}
