import { z } from "zod";
import { followerGaps, followerKinds, rotationPhases } from "../../domain/rotation.ts";
import { instant, nullableInstant, plainText } from "./common.ts";

export const caKeyStates = ["prepared", "active", "old", "retired"] as const;

const caKeySchema = z
  .object({
    id: z.string(),
    kind: z.enum(["root", "issuing"]),
    state: z.enum(caKeyStates).meta({
      description:
        "prepared: issues later; active: issues; old: issues no more, still accepted; retired: nothing under it is accepted, its private key is destroyed.",
    }),
    serialNumber: z.string(),
    spkiSha256: z.string().meta({ description: "SHA-256 of the public key, base64url: what activation tokens pin." }),
    issuerId: z.string(),
    notBefore: instant("Start of validity."),
    notAfter: instant("End of validity."),
    liveCertificates: z.int().meta({ description: "Unexpired, unrevoked certificates under it." }),
  })
  .meta({ id: "CaKey", description: "A key of the authority." });

export const followerSchema = z
  .object({
    kind: z.enum(followerKinds),
    name: z.string().meta({ description: "Fabric, or service and replica." }),
    fabricId: z.string().meta({ description: "Empty for services." }),
    trustBundleSequence: z.int(),
    missing: z.array(z.enum(followerGaps)).meta({ description: "What it has to take over before the next phase." }),
    lastSeenAt: nullableInstant("Last sign of life."),
    live: z.boolean().meta({ description: "Seen within five minutes: only those are waited for." }),
  })
  .meta({ id: "TrustFollower", description: "A party that has to follow a rotation." });

export const authoritySchema = z
  .object({
    phase: z.enum(rotationPhases),
    phaseSince: nullableInstant("Since when; null if there never was a rotation."),
    nextPhaseAt: nullableInstant("Earliest time at which the next phase begins by itself; null in standby."),
    trustBundleSequence: z.int(),
    roots: z.int().meta({ description: "Roots in the trust bundle." }),
    keys: z.array(caKeySchema).meta({ description: "Newest first; retired ones for a year." }),
    issuingPrepareAt: nullableInstant("When the issuing CA's successor is made."),
    issuingActivateAt: nullableInstant("When the successor starts to issue."),
    followers: z.array(followerSchema).meta({ description: "Those that are behind first; at most 500." }),
    waitingFor: z.int().meta({ description: "Live followers that are behind: the next phase waits for them." }),
    alerts: z.array(z.string()).meta({ description: "What needs attention, one sentence each." }),
  })
  .meta({ id: "Authority", description: "The certificate authority's keys and the rotation of its root." });

const reason = plainText(200).default("").meta({ description: "Why, for the record." });

export const startRotationBody = z.strictObject({ reason });
export const rollBackRotationBody = z.strictObject({ reason });

export const advanceRotationBody = z.strictObject({
  fromPhase: z
    .enum(
      ["init", "update_clients", "update_servers", "rollback"],
      "must be init, update_clients, update_servers or rollback",
    )
    .meta({ description: "The phase that you saw; nothing happens if it is another by now." }),
  force: z
    .boolean("must be true or false")
    .default(false)
    .meta({ description: "Go on although live followers are behind. They are stranded until they recover." }),
});

export const advancedSchema = z
  .object({
    authority: authoritySchema,
    stranded: z
      .array(followerSchema)
      .meta({ description: "Live followers that were behind and are stranded by force." }),
  })
  .meta({ id: "AdvancedRotation", description: "The authority after the step." });
