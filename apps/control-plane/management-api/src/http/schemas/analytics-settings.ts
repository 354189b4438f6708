import { z } from "zod";
import { nullableInstant } from "./common.ts";

const isOn = z
  .boolean()
  .meta({ description: "Requests of the environment's APIs are told, but of those that say no." });
const clientAddress = z.enum(["none", "hashed", "truncated", "full"], "must be none, hashed, truncated or full").meta({
  description:
    "How much of a client's address leaves the fabric: nothing; a hash whose key changes daily and stays in the gateway; the network (/24 of IPv4, /48 of IPv6); all.",
});
const userAgent = z.boolean().meta({
  description: "Tell the User-Agent, of which only browser, system and device are kept.",
});
const geography = z.enum(["none", "country", "city"], "must be none, country or city").meta({
  description: "What is concluded from the address; nothing from one that is hashed or not told.",
});
const routeWords = z
  .array(z.string().regex(/^[a-z]{2,32}$/, "must be 2 to 32 lower-case letters"))
  .max(200, "must be at most 200")
  .meta({ description: "Words that may stand in paths besides the common ones; anything else is {}." });

/** What is not named stays as it was. */
export const analyticsSettingsBody = z.strictObject({
  isOn: isOn.optional(),
  clientAddress: clientAddress.optional(),
  userAgent: userAgent.optional(),
  geography: geography.optional(),
  routeWords: routeWords.optional(),
});

export const analyticsSettingsSchema = z
  .object({
    environment: z.string(),
    isOn,
    clientAddress,
    userAgent,
    geography,
    routeWords,
    warnings: z.array(z.string()).meta({ description: "What is worth a look." }),
    apisTold: z.int().meta({ description: "APIs of the environment whose requests are told now." }),
    apisOff: z.int().meta({ description: "APIs of the environment that say no." }),
    updatedAt: nullableInstant("Last change; null: nobody set any, these are the default ones."),
    updatedBy: z.string().nullable(),
  })
  .meta({ id: "AnalyticsSettings", description: "How much of the requests of an environment's APIs is told." });
