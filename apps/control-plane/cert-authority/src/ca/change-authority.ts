import type { IdSource } from "@drawbridge/lifecycle";
import {
  createTrustBundle,
  defaultRefreshHintSeconds,
  signTrustSuccession,
  type KeyEncryptionKeys,
} from "@drawbridge/pki";
import { enqueueEvent, type Store, type Transaction } from "@drawbridge/store";
import {
  bundleRoots,
  issuingUnder,
  requireKey,
  type AuthorityState,
  type CaKey,
  type RotationPhase,
} from "../domain/ca-key.ts";
import { activateAt, isValidFrom, type IssuingStep } from "../domain/issuing-roll-over.ts";
import type { RaiseStep } from "../domain/raise-sequence.ts";
import { retiresAt, type RotationStep, type RotationTimes } from "../domain/rotation.ts";
import {
  bumpVersion,
  fenceCaKeys,
  lockAuthority,
  openCaKeys,
  readAuthorityState,
  setCaKeyState,
} from "../store/ca-key-repository.ts";
import { insertSuccession, lastLeafEndsAt, setPhase, writeRotation } from "../store/rotation-repository.ts";
import type { CertAuthorityDb } from "../store/schema.ts";
import { assertAgreed, type AuthorityClock, type AuthorityTime } from "./authority-clock.ts";
import { makeIssuing, makeRoot, type OpenedRoot } from "./make-ca.ts";

export interface ChangeAuthorityDeps {
  readonly store: Pick<Store<CertAuthorityDb>, "transaction">;
  readonly keks: KeyEncryptionKeys;
  readonly issuingTtlSeconds: number;
  readonly times: RotationTimes;
  readonly authorityClock: Pick<AuthorityClock, "read">;
  readonly ids: IdSource;
}

export type AuthorityStep = IssuingStep | RaiseStep | RotationStep;

/** Who asked for a change; of a change that happens by itself nobody did. */
export interface ChangeRequest {
  readonly requestedBy: string;
  readonly reason: string;
  readonly requestId: string;
}

export const byItself = { requestedBy: "", reason: "", requestId: "" } as const satisfies ChangeRequest;

export type ChangeAuthority = (
  decide: (state: AuthorityState, time: AuthorityTime) => AuthorityStep | undefined,
  request: ChangeRequest,
) => Promise<AuthorityStep | undefined>;

/**
 * Change keys, bundle or phase: decided and done in one transaction under a lock, so that of two replicas one does it and
 * the other sees that it was done, and who is killed leaves either all of it or nothing. Private keys of roots are opened
 * here and nowhere else, for the moment in which they sign. While the process's clock and PostgreSQL's disagree nothing is
 * changed, but for the number of a restored record's bundle, which no clock decides.
 */
export function createChangeAuthority(deps: ChangeAuthorityDeps): ChangeAuthority {
  return (decide, request) =>
    deps.store.transaction(async (tx) => {
      await lockAuthority(tx);
      const state = await readAuthorityState(tx);
      const time = await deps.authorityClock.read(tx);
      const step = state && decide(state, time);
      if (!state || !step) return undefined;
      if (step.step !== "raise_sequence") assertAgreed(time);
      const change: Change = { ...deps, tx, state, request, now: time.now, past: time.past };
      return (await apply(change, step)) === "done" ? step : undefined;
    });
}

interface Change extends Omit<ChangeAuthorityDeps, "store" | "authorityClock"> {
  readonly tx: Transaction<CertAuthorityDb>;
  readonly state: AuthorityState;
  readonly request: ChangeRequest;
  readonly now: Date;
  /** For what cannot be undone. */
  readonly past: Date;
}

type Outcome = "done" | "not yet";

async function apply(change: Change, step: AuthorityStep): Promise<Outcome> {
  const { tx, now } = change;
  switch (step.step) {
    case "make_issuing":
      if (step.replaces !== undefined) await retire(change, [step.replaces]);
      await makePrepared(change, await openRoot(change, step.rootId));
      await bumpVersion(tx);
      return "done";
    case "activate_issuing":
      if (step.replaces !== undefined) await setCaKeyState(tx, step.replaces, { state: "old", now });
      await setCaKeyState(tx, step.id, { state: "active", now });
      await bumpVersion(tx);
      return "done";
    case "retire_issuing":
      await retire(change, [step.id]);
      await bumpVersion(tx);
      return "done";
    case "start":
      await start(change);
      return "done";
    case "enter":
      await enter(change, step);
      return "done";
    case "roll_back":
      await rollBack(change);
      return "done";
    case "retire_root":
      return retireRoot(change, step.id);
    case "raise_sequence":
      await changeBundle(change, await openRoot(change, step.signerId), step.to);
      return "done";
  }
}

/** The new root and an issuing CA under it are made; the bundle with both is signed by the old root. */
async function start(change: Change): Promise<void> {
  const { tx, state, request, now } = change;
  const oldRoot = await openRoot(change, requireKey(state.keys, isActiveRoot).id);
  const newRoot = await makeRoot(tx, { ...change, trustDomain: state.trustDomain, state: "prepared" });
  await makePrepared(change, newRoot);
  await writeRotation(tx, { oldRootId: oldRoot.id, newRootId: newRoot.id, ...request, now });
  await announcePhase(change, { phase: "init", stranded: [] });
  await changeBundle(change, oldRoot);
}

async function enter(change: Change, step: Extract<RotationStep, { step: "enter" }>): Promise<void> {
  const { tx, state, now } = change;
  const { oldRootId, newRootId } = runningRotation(state);
  if (step.to === "update_clients") {
    await setCaKeyState(tx, newRootId, { state: "active", now });
    await ensureIssuing(change, newRootId);
  }
  if (step.to === "update_servers") await stopIssuing(change, oldRootId);
  await setPhase(tx, { phase: step.to, now });
  await announcePhase(change, { phase: step.to, stranded: step.stranded.map(({ kind, name }) => `${kind} ${name}`) });
  await bumpVersion(tx);
}

/** The old root issues again, for everybody; the new one stays in the bundle for as long as something chains to it. */
async function rollBack(change: Change): Promise<void> {
  const { tx, state, now } = change;
  const { oldRootId, newRootId } = runningRotation(state);
  await setCaKeyState(tx, oldRootId, { state: "active", now });
  await ensureIssuing(change, oldRootId);
  await stopIssuing(change, newRootId);
  await setPhase(tx, { phase: "rollback", now });
  await announcePhase(change, { phase: "rollback", stranded: [] });
  await bumpVersion(tx);
}

/**
 * The root leaves the bundle, and its private key and those of its issuing CAs are destroyed. First nobody may be
 * recording a certificate under it, then nothing live may chain to it: whoever records later is refused.
 */
async function retireRoot(change: Change, rootId: string): Promise<Outcome> {
  const { tx, state, now, past, times } = change;
  const { rotation } = state;
  const root = requireKey(state.keys, ({ id }) => id === rootId);
  const issuing = state.keys.filter(({ kind, issuerId }) => kind === "issuing" && issuerId === rootId);
  const ids = [rootId, ...issuing.map(({ id }) => id)];
  await fenceCaKeys(tx, ids);
  const lastLeaf = await lastLeafEndsAt(tx, { rootId, since: root.oldAt ?? root.notBefore });
  if (past < retiresAt(root, lastLeaf, times)) return "not yet";
  const successor = await openRoot(change, requireKey(state.keys, isActiveRoot).id);
  await retire(change, ids);
  if (rotation.phase === "rollback" && rotation.newRootId === rootId) {
    await setPhase(tx, { phase: "standby", now });
    await announcePhase(change, { phase: "standby", stranded: [] });
  }
  await changeBundle(change, successor);
  return "done";
}

/** The next bundle, signed by a root that is in it and in the one before. */
async function changeBundle({ tx, ids, now, state }: Change, signer: OpenedRoot, sequence?: bigint): Promise<void> {
  await bumpVersion(tx, { sequence: sequence ?? state.sequence + 1n });
  const next = await readAuthorityState(tx);
  if (!next) throw new Error("the CA that was just changed cannot be read");
  const roots = bundleRoots(next);
  const trustBundle = createTrustBundle({
    sequence: next.sequence,
    trustDomain: next.trustDomain,
    rootsDer: roots.map(({ certificateDer }) => certificateDer),
    refreshHintSeconds: defaultRefreshHintSeconds,
  });
  const root = { spkiDer: signer.keyPair.spkiDer, privateKey: signer.keyPair.privateKey };
  await insertSuccession(tx, {
    sequence: next.sequence,
    signerPin: requireKey(next.keys, ({ id }) => id === signer.id).spkiPin,
    rootPins: roots.map(({ spkiPin }) => spkiPin),
    jws: signTrustSuccession({ trustBundle, root, issuedAt: now }),
  });
  const payload = { sequence: next.sequence };
  await enqueueEvent(tx, { type: "certs.bundle.changed.v1", scope: "control-plane", occurredAt: now, payload }, ids);
}

async function announcePhase(
  { tx, ids, now, state, request }: Change,
  entered: { readonly phase: RotationPhase; readonly stranded: readonly string[] },
): Promise<void> {
  const { phase, stranded } = entered;
  const payload = {
    phase,
    previousPhase: state.rotation.phase,
    requestedBy: request.requestedBy,
    stranded: [...stranded],
  };
  await enqueueEvent(tx, { type: "certs.rotation.changed.v1", scope: "control-plane", occurredAt: now, payload }, ids);
}

/** Some issuing CA under this root issues after this: a prepared one, the last one again, or a new one. */
async function ensureIssuing(change: Change, rootId: string): Promise<void> {
  const { tx, state, now } = change;
  const active = issuingUnder(state.keys, rootId, "active");
  if (active && isValidFrom(active, now)) return;
  if (active) await setCaKeyState(tx, active.id, { state: "old", now });
  const prepared = issuingUnder(state.keys, rootId, "prepared");
  const usable = [prepared, issuingUnder(state.keys, rootId, "old")];
  const found = usable.find((key) => key !== undefined && isValidFrom(key, now) && now < activateAt(key));
  if (prepared && prepared !== found) await retire(change, [prepared.id]);
  const id = found?.id ?? (await makePrepared(change, await openRoot(change, rootId)));
  await setCaKeyState(tx, id, { state: "active", now });
}

/** This root and its issuing CAs issue no more. */
async function stopIssuing(change: Change, rootId: string): Promise<void> {
  const { tx, state, now } = change;
  const active = issuingUnder(state.keys, rootId, "active");
  const prepared = issuingUnder(state.keys, rootId, "prepared");
  if (prepared) await retire(change, [prepared.id]);
  for (const id of [rootId, ...(active ? [active.id] : [])]) await setCaKeyState(tx, id, { state: "old", now });
}

async function retire({ tx, now }: Change, ids: readonly string[]): Promise<void> {
  await fenceCaKeys(tx, ids);
  for (const id of ids) await setCaKeyState(tx, id, { state: "retired", now });
}

async function makePrepared(change: Change, root: OpenedRoot): Promise<string> {
  const { tx, state, issuingTtlSeconds } = change;
  const options = { ...change, trustDomain: state.trustDomain, state: "prepared", root } as const;
  return makeIssuing(tx, { ...options, ttlSeconds: issuingTtlSeconds });
}

async function openRoot({ tx, state, keks }: Change, rootId: string): Promise<OpenedRoot> {
  const { certificateDer } = requireKey(state.keys, ({ id }) => id === rootId);
  const keyPair = (await openCaKeys(tx, [rootId], keks)).get(rootId);
  if (!keyPair) throw new Error("the private key of a root that is in use was destroyed");
  return { id: rootId, certificateDer, keyPair };
}

/** In update_clients there are two; both are in the bundle before and in the one after. */
function isActiveRoot({ kind, state }: CaKey): boolean {
  return kind === "root" && state === "active";
}

function runningRotation({ rotation }: AuthorityState) {
  if (rotation.phase !== "standby") return rotation;
  throw new Error("there is no rotation");
}
