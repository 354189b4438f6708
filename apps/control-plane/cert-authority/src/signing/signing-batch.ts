import { DrawbridgeError, type ErrorKind } from "@drawbridge/errors";
import type { SigningCa } from "@drawbridge/pki";
import type { SignedLeaf, SignRequest } from "../domain/sign-leaf.ts";

/** A CA and the name by which requests ask for it. */
export interface NamedCa extends SigningCa {
  readonly id: string;
}

/** What goes to the signing thread: many requests in one message. The bytes of all CSRs travel as one piece. */
export interface SigningBatch {
  readonly number: number;
  /** CAs that the thread has not been given yet. */
  readonly cas: readonly NamedCa[];
  /** CAs that are retired by now. */
  readonly forget: readonly string[];
  readonly csrs: Uint8Array<ArrayBuffer>;
  readonly requests: readonly (Omit<SignRequest, "csrDer"> & { readonly bytes: number })[];
}

/** What comes back, in the order of the requests. */
export interface SignedBatch {
  readonly number: number;
  readonly certificates: Uint8Array<ArrayBuffer>;
  readonly results: readonly SigningResult[];
}

type SigningResult =
  | ({ readonly outcome: "signed"; readonly bytes: number } & Omit<SignedLeaf, "certificateDer">)
  | {
      readonly outcome: "refused";
      readonly error: {
        readonly kind: ErrorKind;
        readonly code: string;
        readonly message: string;
        readonly details: Readonly<Record<string, string>>;
      };
    }
  /** A fault of ours. */
  | { readonly outcome: "failed"; readonly message: string };

export function packRequests(
  number: number,
  { cas, forget, requests }: Pick<SigningBatch, "cas" | "forget"> & { readonly requests: readonly SignRequest[] },
): SigningBatch {
  return {
    number,
    cas,
    forget,
    csrs: join(requests.map(({ csrDer }) => csrDer)),
    requests: requests.map(({ csrDer, ...request }) => ({ ...request, bytes: csrDer.length })),
  };
}

export function unpackRequests({ csrs, requests }: SigningBatch): readonly SignRequest[] {
  let end = 0;
  return requests.map(({ bytes, ...request }) => ({ ...request, csrDer: csrs.subarray(end, (end += bytes)) }));
}

export function packResults(number: number, outcomes: readonly PromiseSettledResult<SignedLeaf>[]): SignedBatch {
  const signed = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value.certificateDer] : []));
  return { number, certificates: join(signed), results: outcomes.map(resultOf) };
}

/** What each request got: its leaf, or why not. */
export function unpackResults({ certificates, results }: SignedBatch): readonly (SignedLeaf | Error)[] {
  let end = 0;
  return results.map((result) => {
    if (result.outcome === "failed") return new Error(result.message);
    if (result.outcome === "refused") return new DrawbridgeError(result.error);
    const { bytes, outcome: _, ...leaf } = result;
    return { ...leaf, certificateDer: certificates.subarray(end, (end += bytes)) };
  });
}

function resultOf(outcome: PromiseSettledResult<SignedLeaf>): SigningResult {
  if (outcome.status === "fulfilled") {
    const { certificateDer, ...leaf } = outcome.value;
    return { outcome: "signed", bytes: certificateDer.length, ...leaf };
  }
  const reason: unknown = outcome.reason;
  if (reason instanceof DrawbridgeError) {
    const { kind, code, message, details } = reason;
    return { outcome: "refused", error: { kind, code, message, details } };
  }
  return { outcome: "failed", message: reason instanceof Error ? reason.message : "signing failed" };
}

/** A copy with memory of its own: Node's small buffers share theirs, and a message would take all of it along. */
function join(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const piece of pieces) {
    joined.set(piece, end);
    end += piece.length;
  }
  return joined;
}
