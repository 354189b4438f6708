import { createHash } from "node:crypto";
import { DrawbridgeError } from "@drawbridge/errors";
import type { ResourceCondition } from "@drawbridge/contracts/apis/v1/configuration";
import { fieldError, type FieldProblem } from "../domain/field-error.ts";
import { labelProblems, limits } from "../domain/limits.ts";
import { restoreSecrets } from "../domain/secrets.ts";
import type { Sealer } from "../crypto/sealer.ts";
import {
  insertAsset,
  listPolicies,
  notePoliciesChanged,
  readAssets,
  writePolicy,
  type OwnerRef,
  type PolicyView,
} from "../store/policies.ts";
import type { Save } from "../store/save.ts";
import { checkPolicy, conflictsOf, orderWarnings, schemaOf, type OrderedPolicy } from "./check-policy.ts";

export interface PolicyInput {
  readonly owner: OwnerRef;
  readonly type: string;
  readonly name: string;
  /** Position, from 1; undefined: as it was, or behind the last. */
  readonly order: number | undefined;
  /** undefined: as it was, or enabled. */
  readonly enabled: boolean | undefined;
  readonly configurationJson: string;
  readonly conditions: readonly ResourceCondition[];
  /** Version that the change was made on; 0: whatever it is. */
  readonly baseVersion: bigint;
  readonly assets: readonly Uint8Array[];
}

export interface SavedPolicy {
  readonly policy: PolicyView;
  readonly changed: boolean;
  readonly warnings: readonly string[];
}

/**
 * Make a policy, or change the one of this name. Everything is checked before anything is written; with `save.only` "check"
 * nothing is written at all.
 * @throws DrawbridgeError `POLICY_TYPE_UNKNOWN` | `POLICY_INVALID` (invalid_argument, with fields) | `POLICY_TYPE_FIXED`
 *   (failed_precondition) | `POLICY_CHANGED` (aborted)
 */
export async function savePolicy(
  save: Save,
  sealer: Sealer,
  options: { readonly input: PolicyInput; readonly newId: () => string; readonly mode: "save" | "check" },
): Promise<SavedPolicy> {
  const { input, newId, mode } = options;
  const schema = schemaOf(input.type);
  const policies = await listPolicies(save.tx, sealer, save.org, input.owner);
  const current = policies.find(({ name }) => name === input.name);
  assertBase(input, current, policies.length);
  const restored = restoreSecrets(parseConfiguration(input.configurationJson), current?.configuration, schema);
  if (restored.outcome === "invalid") throw fieldError("POLICY_INVALID", restored.problems);
  const { configuration } = restored;
  const assets = await assetsOf(save, input, configuration);
  const others = policies.filter((policy) => policy !== current);
  const place = Math.min(Math.max(input.order ?? current?.position ?? policies.length + 1, 1), others.length + 1);
  const enabled = input.enabled ?? current?.enabled ?? true;
  const candidate = { ...input, automated: input.owner.apiId === undefined, order: place, configuration };
  const neighbours = await neighboursOf(save, sealer, input.owner, others);
  const { type, conditions } = input;
  // What is not enforced may wait with what has ended.
  const now = enabled ? save.now : undefined;
  const checked = await checkPolicy({ type, configuration, conditions, assets, now });
  const problems = [...checked.problems, ...(enabled ? conflictsOf(candidate, neighbours) : [])];
  if (problems.length > 0) throw fieldError("POLICY_INVALID", problems);
  const next: PolicyView = {
    policyId: current?.policyId ?? newId(),
    owner: input.owner,
    type: input.type,
    name: input.name,
    position: place,
    enabled,
    configuration: checked.prepared,
    conditions: input.conditions,
    assets: [...assets.keys()].map((digest) => Buffer.from(digest, "hex")),
    version: (current?.version ?? 0n) + 1n,
    updatedAt: save.now,
    updatedBy: save.requestedBy,
  };
  const warnings = enabled ? orderWarnings([...neighbours, candidate]) : [];
  if (current && isSame(current, next)) return { policy: current, changed: false, warnings };
  if (mode === "check") return { policy: next, changed: true, warnings };
  for (const bytes of input.assets) {
    await insertAsset(save, { digest: sha256(bytes), bytes: Buffer.from(bytes) });
  }
  await writePolicy(save, sealer, next, current ? "changed" : "created");
  await movePolicies(save, sealer, others.toSpliced(place - 1, 0, next), next);
  await notePoliciesChanged(save, input.owner);
  return { policy: next, changed: true, warnings };
}

/** Give policies the positions of this order; those that move get a version of their own. */
export async function movePolicies(
  save: Save,
  sealer: Sealer,
  order: readonly PolicyView[],
  written?: PolicyView,
): Promise<readonly PolicyView[]> {
  const moved: PolicyView[] = [];
  for (const [place, policy] of order.entries()) {
    const position = place + 1;
    const isInPlace = policy === written || policy.position === position;
    const next = isInPlace
      ? policy
      : { ...policy, position, version: policy.version + 1n, updatedAt: save.now, updatedBy: save.requestedBy };
    if (!isInPlace) await writePolicy(save, sealer, next, "changed");
    moved.push(next);
  }
  return moved;
}

function assertBase(input: PolicyInput, current: PolicyView | undefined, policies: number): void {
  const problems: FieldProblem[] = [...labelProblems("name", input.name)];
  if (input.conditions.length > limits.conditionsPerPolicy) {
    problems.push({ field: "conditions", message: `must be at most ${limits.conditionsPerPolicy}` });
  }
  if (!current && policies >= limits.policiesPerOwner) {
    problems.push({
      field: "name",
      message: `there are ${limits.policiesPerOwner} policies already: remove one first`,
    });
  }
  if (problems.length > 0) throw fieldError("POLICY_INVALID", problems);
  if (current && current.type !== input.type) {
    throw new DrawbridgeError({
      kind: "failed_precondition",
      code: "POLICY_TYPE_FIXED",
      message: `the policy "${current.name}" is of type ${current.type}, which cannot be changed: remove it, or choose another name`,
    });
  }
  if (input.baseVersion !== 0n && input.baseVersion !== (current?.version ?? 0n)) {
    throw new DrawbridgeError({
      kind: "aborted",
      code: "POLICY_CHANGED",
      message: "the policy was changed meanwhile: read it again and make your change on that",
      details: { version: String(current?.version ?? 0n) },
    });
  }
}

function parseConfiguration(json: string): unknown {
  if (Buffer.byteLength(json) > limits.configurationBytes) {
    throw fieldError("POLICY_INVALID", [
      { field: "configuration", message: `must have at most ${limits.configurationBytes} bytes` },
    ]);
  }
  try {
    return JSON.parse(json === "" ? "{}" : json);
  } catch {
    throw fieldError("POLICY_INVALID", [{ field: "configuration", message: "must be JSON" }]);
  }
}

/** Modules that came with the save or are stored, and that the configuration names by SHA-256. */
async function assetsOf(
  { tx, org }: Save,
  input: PolicyInput,
  configuration: unknown,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const tooLarge = input.assets.some(({ byteLength }) => byteLength > limits.assetBytes);
  if (tooLarge || input.assets.length > limits.assetsPerPolicy) {
    const message = `must be at most ${limits.assetsPerPolicy} of at most ${limits.assetBytes} bytes`;
    throw fieldError("POLICY_INVALID", [{ field: "assets", message }]);
  }
  const named = [...JSON.stringify(configuration).matchAll(/"(?:sha256:)?([0-9a-f]{64})"/g)].flatMap(
    (match) => match[1] ?? [],
  );
  const digests = [...new Set(named)].slice(0, limits.assetsPerPolicy);
  const given = new Map(input.assets.map((bytes) => [sha256(bytes).toString("hex"), bytes]));
  const stored = await readAssets(
    tx,
    org,
    digests.filter((digest) => !given.has(digest)).map((digest) => Buffer.from(digest, "hex")),
  );
  const all = new Map([...given, ...stored.map(({ digest, bytes }) => [digest.toString("hex"), bytes] as const)]);
  return new Map(
    digests.flatMap((digest) => {
      const bytes = all.get(digest);
      return bytes ? [[digest, bytes] as const] : [];
    }),
  );
}

/** The other enabled policies that a request of the API passes. Of an environment: its automated ones alone. */
async function neighboursOf(
  { tx, org }: Save,
  sealer: Sealer,
  owner: OwnerRef,
  others: readonly PolicyView[],
): Promise<readonly OrderedPolicy[]> {
  const { environment } = owner;
  const automated =
    owner.apiId === undefined ? [] : await listPolicies(tx, sealer, org, { environment, apiId: undefined });
  return [...automated, ...others]
    .filter((policy) => policy.enabled)
    .map(({ name, type, owner: { apiId }, position, configuration, conditions }) => {
      return { name, type, automated: apiId === undefined, order: position, configuration, conditions };
    });
}

function isSame(one: PolicyView, other: PolicyView): boolean {
  const facts = ({ type, position, enabled, configuration, conditions, assets }: PolicyView) =>
    JSON.stringify([
      type,
      position,
      enabled,
      sorted(configuration),
      conditions,
      assets.map((digest) => digest.toString("hex")),
    ]);
  return facts(one) === facts(other);
}

/** The same whatever order its keys are in. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, item]) => [name, sorted(item)]),
  );
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}
