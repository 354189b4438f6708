import { authorityToJson, followerToJson, phaseToProto } from "../adapters/authority-json.ts";
import { required } from "../adapters/values.ts";
import { defineRoute, type Route } from "../route.ts";
import {
  advancedSchema,
  advanceRotationBody,
  authoritySchema,
  rollBackRotationBody,
  startRotationBody,
} from "../schemas/authority.ts";
import type { RouteServices } from "../services.ts";

const administrator = { scope: "organisation", role: "administrator" } as const;

/** The authority's keys, and the rotation of its root. */
export function authorityRoutes({ authority }: RouteServices): readonly Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/v1/ca",
      action: "ca.show",
      summary: "Show the certificate authority: keys, phase, and who has to follow",
      permission: { scope: "organisation", role: "viewer" },
      responses: { 200: { description: "The authority.", body: authoritySchema } },
      errors: ["PEER_UNAVAILABLE"],
      handle: async ({ signal }) => {
        const status = await authority.getAuthorityStatus({}, { signal, idempotent: true });
        return { status: 200, body: authorityToJson(status) };
      },
    }),
    defineRoute({
      method: "POST",
      path: "/v1/ca/rotation",
      action: "ca.rotate",
      summary: "Start a rotation of the root",
      description:
        "A new root joins the trust bundle. The phases go on by themselves when everybody who is live has followed and the grace time is over.",
      permission: administrator,
      body: startRotationBody,
      responses: { 200: { description: "The authority after the start.", body: authoritySchema } },
      errors: ["ROTATION_IN_PROGRESS", "PEER_UNAVAILABLE"],
      handle: async ({ body, caller, requestId, signal, note }) => {
        note({ reason: body.reason });
        const request = { requestId, requestedBy: caller.username, reason: body.reason };
        const { status } = await authority.startRotation(request, { signal, idempotent: true });
        return { status: 200, body: authorityToJson(status) };
      },
    }),
    defineRoute({
      method: "POST",
      path: "/v1/ca/rotation/advance",
      action: "ca.advance",
      summary: "Go to the next phase now",
      description:
        "Does not wait for the grace time. Refused while somebody live is behind, unless `force`: those are stranded until they recover.",
      permission: administrator,
      body: advanceRotationBody,
      responses: { 200: { description: "The authority after the step.", body: advancedSchema } },
      errors: [
        "ROTATION_NOT_STARTED",
        "ROTATION_PHASE_CHANGED",
        "ROTATION_NOT_ACKNOWLEDGED",
        "ROTATION_FOLLOWERS_UNKNOWN",
        "PEER_UNAVAILABLE",
      ],
      handle: async ({ body, caller, signal, note }) => {
        note({ fromPhase: body.fromPhase, force: String(body.force) });
        // from_phase makes a repetition harmless, but its answer would be an error: not repeated.
        const request = { fromPhase: phaseToProto(body.fromPhase), force: body.force, requestedBy: caller.username };
        const answer = await authority.advanceRotation(request, { signal });
        const json = authorityToJson(answer.status);
        const { sequence } = required("trust_bundle", answer.status?.trustBundle);
        const measure = { phase: body.fromPhase, sequence };
        note({ phase: json.phase, stranded: namesOf(answer.stranded) });
        const stranded = answer.stranded.map((follower) => followerToJson(follower, measure));
        return { status: 200, body: { authority: json, stranded } };
      },
    }),
    defineRoute({
      method: "POST",
      path: "/v1/ca/rotation/rollback",
      action: "ca.rollback",
      summary: "Go back to the old root",
      permission: administrator,
      body: rollBackRotationBody,
      responses: { 200: { description: "The authority after the step.", body: authoritySchema } },
      errors: ["ROTATION_NOT_STARTED", "PEER_UNAVAILABLE"],
      handle: async ({ body, caller, signal, note }) => {
        note({ reason: body.reason });
        const request = { requestedBy: caller.username, reason: body.reason };
        const { status } = await authority.rollBackRotation(request, { signal });
        return { status: 200, body: authorityToJson(status) };
      },
    }),
  ];
}

const mostNames = 50;

function namesOf(followers: readonly { readonly name: string }[]): string {
  const names = followers.slice(0, mostNames).map(({ name }) => name);
  return followers.length > mostNames ? `${names.join(" ")} and ${followers.length - mostNames} more` : names.join(" ");
}
