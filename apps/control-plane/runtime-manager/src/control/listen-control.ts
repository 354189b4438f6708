import type { Bus, BusMessage, Subscription } from "@drawbridge/bus";
import { eventCodecs, eventSubject } from "@drawbridge/contracts";
import type { Component } from "@drawbridge/lifecycle";
import type { ConfigurationMarks } from "../api-configuration/configuration-marks.ts";
import { agentId, fabricId } from "../domain/ids.ts";
import type { SessionRegistry } from "../tunnel/session-registry.ts";
import { controlMessages, decodeMessage, subjects, type KickMessage } from "./control-messages.ts";
import type { DesiredHints } from "./desired-hints.ts";

/** The hint, and the events behind it: whoever comes first. */
const trustSubjects = [
  "ctl.bundle",
  eventSubject("certs.bundle.changed.v1", "*"),
  eventSubject("certs.rotation.changed.v1", "*"),
];

/** What other replicas say, turned into effects on the tunnels that this one holds. */
export function createControlListener(deps: {
  readonly bus: Bus;
  readonly replica: string;
  readonly registry: SessionRegistry;
  readonly hints: Pick<DesiredHints, "receive">;
  readonly marks: Pick<ConfigurationMarks, "receive">;
  /** The trust bundle may have changed, or the phase of a rotation. */
  readonly onTrustNews: () => void;
  readonly runCommand: (agentId: string, data: Uint8Array) => void;
}): Component {
  const { bus, registry } = deps;
  let subscriptions: readonly Subscription[] = [];

  function onDesired({ subject, data }: BusMessage): void {
    const { generation } = decodeMessage(controlMessages.desired, data);
    deps.hints.receive(fabricId(lastToken(subject)), BigInt(generation));
  }

  function onPublished({ subject, data }: BusMessage): void {
    const json: unknown = JSON.parse(Buffer.from(data).toString());
    const published = eventCodecs["apis.configuration.published.v1"].fromJSON(json);
    if (published.digest === "" || published.fabricId !== lastToken(subject)) return;
    deps.marks.receive(fabricId(published.fabricId), { revision: published.revision, digest: published.digest });
  }

  function onSession({ subject, data }: BusMessage): void {
    const { order, agentId: id, bootId } = decodeMessage(controlMessages.session, data);
    const session = registry.get(fabricId(lastToken(subject)));
    if (session && session.terms.order < BigInt(order)) registry.supersede(session, { agentId: agentId(id), bootId });
  }

  return {
    name: "control",
    start: () => {
      subscriptions = [
        bus.subscribe(subjects.desired("*"), onDesired),
        bus.subscribe(subjects.session("*"), onSession),
        bus.subscribe(subjects.kick("*"), ({ subject, data }) =>
          kickHere(registry, lastToken(subject), decodeMessage(controlMessages.kick, data)),
        ),
        bus.subscribe(eventSubject("apis.configuration.published.v1", "*"), onPublished),
        ...trustSubjects.map((subject) => bus.subscribe(subject, deps.onTrustNews)),
        bus.respond(subjects.command(deps.replica, "*"), async ({ subject, data }) => {
          deps.runCommand(lastToken(subject), data);
          return new Uint8Array();
        }),
      ];
      return Promise.resolve();
    },
    stop: async () => {
      await Promise.all(subscriptions.map((subscription) => subscription.close()));
    },
  };
}

/** End the sessions of an agent that this replica holds, if they are the ones that are meant. */
export function kickHere(registry: Pick<SessionRegistry, "ofFabric">, agent: string, message: KickMessage): void {
  for (const session of registry.ofFabric(fabricId(message.fabricId))) {
    if (session.terms.agentId !== agent) continue;
    if (message.serialNumber === "" || session.terms.serialNumber === message.serialNumber) session.kick(message.code);
  }
}

function lastToken(subject: string): string {
  return subject.slice(subject.lastIndexOf(".") + 1);
}
