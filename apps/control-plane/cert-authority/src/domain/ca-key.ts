/** What a CA key is used for. */
export type CaKeyState =
  /** Made, not issuing yet. */
  | "prepared"
  /** Issues. */
  | "active"
  /** Issues no more; what is under it is accepted. */
  | "old"
  /** Nothing under it is accepted; its private key is destroyed. */
  | "retired";

/** One CA key with its certificate; the private key is elsewhere. */
export interface CaKey {
  readonly id: string;
  readonly kind: "root" | "issuing";
  readonly state: CaKeyState;
  /** The CA that signed it; its own id for a root. */
  readonly issuerId: string;
  readonly serialNumber: string;
  /** SHA-256 of its public key, base64url: what activation tokens pin. */
  readonly spkiPin: string;
  readonly certificateDer: Uint8Array;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** Since when it issues no more. */
  readonly oldAt: Date | undefined;
  readonly retiredAt: Date | undefined;
}

/** Where the replacement of the root stands. */
export type Rotation =
  | { readonly phase: "standby"; readonly since: Date | undefined }
  | ({ readonly phase: RunningPhase } & RunningRotation);

export type RunningPhase = "init" | "update_clients" | "update_servers" | "rollback";

export interface RunningRotation {
  readonly since: Date;
  readonly oldRootId: string;
  readonly newRootId: string;
}

export type RotationPhase = Rotation["phase"];

/** Everything that there is to know of our CAs, without private keys. */
export interface AuthorityState {
  readonly trustDomain: string;
  /** Of the trust bundle. */
  readonly sequence: bigint;
  /** Grows with every change. */
  readonly version: bigint;
  readonly rotation: Rotation;
  /** Oldest first. */
  readonly keys: readonly CaKey[];
}

/** The sequence can grow by itself: after a restore it is raised above what followers have seen. */
export function versionOf({ version, sequence }: Pick<AuthorityState, "version" | "sequence">): string {
  return `${version} ${sequence}`;
}

/** For whom a certificate is: in the middle of a rotation fabrics and services are issued under different roots. */
export type Audience = "fabric" | "service";

/** The root under which certificates for an audience are issued now. */
export function issuingRootOf({ rotation, keys }: AuthorityState, audience: Audience): string {
  switch (rotation.phase) {
    case "standby":
      return requireKey(keys, ({ kind, state }) => kind === "root" && state === "active").id;
    case "init":
    case "rollback":
      return rotation.oldRootId;
    case "update_clients":
      return audience === "fabric" ? rotation.newRootId : rotation.oldRootId;
    case "update_servers":
      return rotation.newRootId;
  }
}

/** The roots of the trust bundle, oldest first. */
export function bundleRoots({ keys }: Pick<AuthorityState, "keys">): readonly CaKey[] {
  return keys.filter(({ kind, state }) => kind === "root" && state !== "retired");
}

export function issuingUnder(keys: readonly CaKey[], rootId: string, state: CaKeyState): CaKey | undefined {
  return keys.findLast((key) => key.kind === "issuing" && key.issuerId === rootId && key.state === state);
}

/** The root that a CA key leads to. */
export function rootOf(key: CaKey): string {
  return key.issuerId; // an issuing CA's issuer is a root, and a root's is itself
}

export function requireKey(keys: readonly CaKey[], matches: (key: CaKey) => boolean): CaKey {
  const found = keys.find(matches);
  if (!found) throw new Error("the record of the CA keys contradicts itself");
  return found;
}
