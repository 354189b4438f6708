import type { SharedPorts as SharedSettings } from "@drawbridge/app-routes";
import { createLoop, type Clock, type Component, type Health } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import type { Gatekeeper } from "../gatekeeper/gatekeeper.ts";
import type { Listener, Listening, SharedRoute } from "../workers/protocol.ts";
import { CertificateFolder } from "./certificate-folder.ts";

/** What the driver's file says of ports that apps share. */
export interface SharedWish {
  readonly ports: SharedSettings | undefined;
  readonly routes: readonly SharedRoute[];
}

interface SharedPortsDeps {
  /** Through whom the workers hear of listeners. */
  readonly gatekeeper: Pick<Gatekeeper, "setShared" | "retryListener">;
  readonly clock: Clock;
  readonly health: Health;
  readonly logger: Logger;
}

export interface SharedPorts extends Component {
  follow(wish: SharedWish): void;
  listening(workerIndex: number, message: Listening): void;
  gone(workerIndex: number): void;
}

const lookEveryMs = 1_000;
const retryMs = 250;
const shownProblems = 10;

/** The ports that apps share: what the driver wants there, with the certificates that lie in the operator's folder. */
export function createSharedPorts({ gatekeeper, clock, health, logger }: SharedPortsDeps): SharedPorts {
  let wish: SharedWish = { ports: undefined, routes: [] };
  let folder: CertificateFolder | undefined;
  let lastListeners = new Map<string, { readonly text: string; readonly listener: Listener }>();
  /** By listener and worker. */
  const failures = new Map<string, Map<number, string>>();
  const retrying = new Set<string>();

  function wanted(): Listener[] {
    const { ports, routes } = wish;
    const target = { kind: "shared", routes } as const;
    const plain = ports?.http && { listenerId: "shared:http", ...addressOf(ports.http), tls: undefined, target };
    const tls = folder?.current();
    const secure = ports?.https && tls && { listenerId: "shared:https", ...addressOf(ports.https), tls, target };
    return [...(plain ? [plain] : []), ...(secure ? [secure] : [])];
  }

  /** A listener that is the same stays the same object, so that nobody is told of it again. */
  function update(): void {
    const listeners = wanted().map((listener) => {
      const text = JSON.stringify(listener);
      const known = lastListeners.get(listener.listenerId);
      return known?.text === text ? known : { text, listener };
    });
    const isSame =
      listeners.length === lastListeners.size &&
      listeners.every((entry) => lastListeners.get(entry.listener.listenerId) === entry);
    if (isSame) return;
    lastListeners = new Map(listeners.map((entry) => [entry.listener.listenerId, entry]));
    for (const listenerId of failures.keys()) if (!lastListeners.has(listenerId)) failures.delete(listenerId);
    gatekeeper.setShared(listeners.map(({ listener }) => listener));
  }

  /** Every worker tells its failure, and asking once asks all of them. */
  async function retryLater(listenerId: string): Promise<void> {
    if (retrying.has(listenerId)) return;
    retrying.add(listenerId);
    await clock.sleep(retryMs);
    retrying.delete(listenerId);
    gatekeeper.retryListener(listenerId);
  }

  function portProblem(): string | undefined {
    const problems = [...failures].flatMap(([listenerId, ofListener]) => {
      const [failure] = ofListener.values();
      const listener = lastListeners.get(listenerId)?.listener;
      return failure === undefined || listener === undefined
        ? []
        : [`${listener.address}:${listener.port} cannot be listened on (${failure})`];
    });
    return problems.length === 0 ? undefined : problems.join("; ");
  }

  function certificateProblem(): string | undefined {
    const problems = folder?.problems() ?? [];
    return problems.length === 0 ? undefined : problems.slice(0, shownProblems).join("; ");
  }

  health.register("shared ports", portProblem, "degraded");
  health.register("certificates", certificateProblem, "degraded");

  const looking = createLoop({
    name: "shared-ports",
    clock,
    intervalMs: lookEveryMs,
    pass: () => {
      folder?.look();
      update();
      return Promise.resolve();
    },
    onError: (error) => logger.error({ err: error }, "certificates could not be looked at"),
  });

  return {
    ...looking,
    follow(next) {
      const { https } = next.ports ?? {};
      if (https === undefined) folder = undefined;
      else if (folder === undefined || JSON.stringify(https) !== JSON.stringify(wish.ports?.https)) {
        folder = new CertificateFolder({ source: https, clock, logger });
        folder.look();
      }
      wish = next;
      update();
    },
    listening(workerIndex, { listenerId, failure }) {
      const known = lastListeners.get(listenerId);
      if (known === undefined) return;
      const ofListener = failures.get(listenerId) ?? new Map<number, string>();
      failures.set(listenerId, ofListener);
      if (failure === undefined) return void ofListener.delete(workerIndex);
      if (ofListener.size === 0) {
        const { address, port } = known.listener;
        logger.error({ address, port, failure }, "a shared port cannot be listened on");
      }
      ofListener.set(workerIndex, failure);
      void retryLater(listenerId);
    },
    gone(workerIndex) {
      for (const ofListener of failures.values()) ofListener.delete(workerIndex);
    },
  };
}

function addressOf({ address, port }: { readonly address: string; readonly port: number }) {
  return { address, port };
}
