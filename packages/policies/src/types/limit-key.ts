import { z } from "zod";
import type { Exchange } from "../pipeline/exchange.ts";
import { addressSubject } from "./ip-lists/address.ts";
import { headerNameField } from "./header-fields.ts";

export const limitKeyDescription =
  "whose requests are counted together: everybody's (api), those of a client application, of an address (of an IPv6 /64), of a header's value, of a claim's value. Requests without one are counted together";

/** Whose requests are counted together: a closed set, so that no expression runs per request. */
export const limitKeyField = z
  .discriminatedUnion("by", [
    z.strictObject({ by: z.literal("api") }),
    z.strictObject({ by: z.literal("client") }),
    z.strictObject({ by: z.literal("client_address") }),
    z.strictObject({ by: z.literal("header"), name: headerNameField("header whose value is the key") }),
    z.strictObject({
      by: z.literal("claim"),
      name: z.string().min(1).max(256).meta({ description: "claim of the token that is the key, for example sub" }),
    }),
  ])
  .prefault({ by: "api" })
  .meta({ description: limitKeyDescription });

export type LimitKey = z.output<typeof limitKeyField>;

/** Reads the key of a request; "" for those without one. */
export function limitSubject(key: LimitKey): (exchange: Exchange) => string {
  switch (key.by) {
    case "api":
      return () => "*";
    case "client":
      return (exchange) => exchange.client?.clientId ?? "";
    case "client_address":
      return (exchange) => addressSubject(exchange.clientAddress);
    case "header": {
      const name = key.name.toLowerCase();
      return (exchange) => exchange.header(name) ?? "";
    }
    case "claim":
      return (exchange) => claimSubject(exchange.principal?.[key.name]);
  }
}

function claimSubject(claim: unknown): string {
  if (typeof claim === "string") return claim;
  return typeof claim === "number" || typeof claim === "boolean" ? String(claim) : "";
}

/** What must have run before. */
export function needsOfKey(key: LimitKey): readonly ("client" | "principal")[] {
  if (key.by === "client") return ["client"];
  return key.by === "claim" ? ["principal"] : [];
}
