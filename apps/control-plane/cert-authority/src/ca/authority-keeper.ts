import { createLoop, type Clock, type Component } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import type { ReadFollowers } from "../clients/trust-followers.ts";
import type { AuthorityState } from "../domain/ca-key.ts";
import { planIssuing } from "../domain/issuing-roll-over.ts";
import { planAdvance, retirableRoots, retiresAt, type RotationStep, type RotationTimes } from "../domain/rotation.ts";
import type { AcknowledgementRepository } from "../store/acknowledgement-repository.ts";
import type { Authority } from "./authority.ts";
import type { AuthorityTime } from "./authority-clock.ts";
import { byItself, type AuthorityStep, type ChangeAuthority } from "./change-authority.ts";

export interface AuthorityKeeperDeps {
  readonly authority: Pick<Authority, "get" | "refresh">;
  readonly changeAuthority: ChangeAuthority;
  readonly readFollowers: ReadFollowers;
  /** When the last certificate under a root ends; undefined if there is none that ends after `since`. */
  readonly lastLeafEndsAt: (options: { readonly rootId: string; readonly since: Date }) => Promise<Date | undefined>;
  readonly acknowledgements: Pick<AcknowledgementRepository, "forget">;
  /** The time by which keys change. */
  readonly readTime: () => Promise<AuthorityTime>;
  readonly times: RotationTimes;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A replica that was not seen for a week is gone for good. */
const forgottenAfterMs = 7 * 86_400_000;

/**
 * Replaces issuing CAs in time. Every replica looks; who finds something to do does it under a lock, decided anew there.
 */
export function createIssuingKeeper(deps: AuthorityKeeperDeps & { readonly intervalMs: number }): Component {
  const report = outageReporter(deps.logger, "cannot look after the issuing CAs, will try again");
  return createLoop({
    name: "issuing keeper",
    clock: deps.clock,
    intervalMs: deps.intervalMs,
    pass: async (signal) => {
      while (!signal.aborted) {
        const time = await deps.readTime();
        if (!time.isAgreed || !planIssuing(deps.authority.get().state, time)) break;
        const step = await deps.changeAuthority(planIssuing, byItself);
        await deps.authority.refresh();
        if (!step) break; // another replica did it
        logStep(deps.logger, step);
      }
      report("fine");
    },
    onError: report,
  });
}

/**
 * Leads the rotation of the root on: the next phase when everybody has followed and the grace has passed, and the old root
 * out of the bundle when nothing live chains to it any more.
 */
export function createRotationKeeper(deps: AuthorityKeeperDeps & { readonly intervalMs: number }): Component {
  const report = outageReporter(deps.logger, "cannot look after the rotation, will try again");
  return createLoop({
    name: "rotation keeper",
    clock: deps.clock,
    intervalMs: deps.intervalMs,
    pass: async (signal) => {
      const before = deps.authority.get().state;
      const time = await deps.readTime();
      const wanted =
        time.isAgreed &&
        ((await nextAdvance(before, time, deps, signal)) ?? (await nextRetirement(before, time, deps)));
      if (wanted) {
        // What was decided on must still be so under the lock.
        const done = await deps.changeAuthority((state) => (isSame(before, state) ? wanted : undefined), byItself);
        await deps.authority.refresh();
        if (done) logStep(deps.logger, done);
      }
      if (time.isAgreed) await deps.acknowledgements.forget({ unseenForMs: forgottenAfterMs });
      report("fine");
    },
    onError: report,
  });
}

async function nextAdvance(
  state: AuthorityState,
  { now }: AuthorityTime,
  { readFollowers, times }: AuthorityKeeperDeps,
  signal: AbortSignal,
): Promise<RotationStep | undefined> {
  // The followers are asked for only when nothing else holds the phase back.
  const isDue = planAdvance(state, { outcome: "known", followers: [] }, { now, times }) !== undefined;
  return isDue ? planAdvance(state, await readFollowers(state, signal), { now, times }) : undefined;
}

async function nextRetirement(
  state: AuthorityState,
  { past }: AuthorityTime,
  { lastLeafEndsAt, times }: AuthorityKeeperDeps,
): Promise<RotationStep | undefined> {
  for (const root of retirableRoots(state)) {
    if (past < retiresAt(root, undefined, times)) continue;
    const lastLeaf = await lastLeafEndsAt({ rootId: root.id, since: root.oldAt ?? root.notBefore });
    if (past >= retiresAt(root, lastLeaf, times)) return { step: "retire_root", id: root.id };
  }
  return undefined;
}

function isSame(before: AuthorityState, now: AuthorityState): boolean {
  return before.sequence === now.sequence && before.rotation.phase === now.rotation.phase;
}

export function logStep(logger: Logger, { step, ...facts }: AuthorityStep): void {
  logger.info({ step, ...facts }, "ca keys changed");
}

/** An outage is logged when it begins and when it ends. */
function outageReporter(logger: Logger, message: string): (error: unknown) => void {
  let isOut = false;
  return (outcome) => {
    const fine = outcome === "fine";
    if (fine && isOut) logger.info({}, "looking after the CA keys again");
    if (!fine && !isOut) logger.warn({ err: outcome }, message);
    isOut = !fine;
  };
}
