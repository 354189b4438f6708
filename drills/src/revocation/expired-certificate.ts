import { leakIdentity, type TestStack } from "@drawbridge/local/testing";
import { systemClock } from "@drawbridge/lifecycle";
import { listenersOf } from "./listeners.ts";
import { isLetIn, takeSession } from "./watch-listener.ts";

/** Long enough to be shown to every listener while it is valid. */
const lifeSeconds = 12;
/** A clock that is read twice. */
const marginMs = 250;

/**
 * Design R26 j: a certificate that has expired, shown to every listener together with the TLS session that this listener gave
 * while it was valid. Answers which let it in.
 */
export async function expiredLetIn(stack: TestStack): Promise<readonly string[]> {
  const identity = await leakIdentity(stack.stack, {
    service: "management-api",
    settings: { DRAWBRIDGE_LEAF_TTL_MODE: "drill", DRAWBRIDGE_LEAF_TTL_SECONDS: String(lifeSeconds) },
  });
  const known = await Promise.all(
    listenersOf(stack).map(async (listener) => ({ listener, session: await takeSession(listener, identity) })),
  );
  await systemClock.sleep(Math.max(0, identity.notAfter.getTime() - systemClock.now().getTime()) + marginMs);
  const found = await Promise.all(
    known.map(async ({ listener, session }) => {
      const withSession = session !== undefined && (await isLetIn(listener, identity, session));
      return withSession || (await isLetIn(listener, identity)) ? [`${listener.name} lets it in`] : [];
    }),
  );
  return found.flat();
}
