import { DrawbridgeError } from "@drawbridge/errors";

/** What there is of a bundle. */
export type BlobState =
  | { readonly state: "absent" }
  /** An upload that is not finished, or was not checked yet. */
  | { readonly state: "partial"; readonly sizeBytes: number }
  /** Whole, checked and under its name. */
  | { readonly state: "stored"; readonly sizeBytes: number };

/** What an uploader is told. */
export type UploadStatus =
  | { readonly outcome: "stored"; readonly sizeBytes: number }
  | { readonly outcome: "partial"; readonly offset: number };

export interface UploadPart {
  readonly offset: number;
  /** Of the whole bundle. */
  readonly totalBytes: number;
}

export type UploadStep =
  /** It is stored and known: say so. */
  | { readonly step: "answer-stored"; readonly sizeBytes: number }
  /** The bytes are there; what is missing is the record (a crash came between the two). */
  | { readonly step: "register" }
  | { readonly step: "append" }
  /** What is there is longer than the whole should be: of no use to anybody. */
  | { readonly step: "start-over" }
  | { readonly step: "refuse-offset"; readonly offset: number };

/** Largest bundle: 2 GiB. */
export const maxBundleBytes = 2 ** 31;

/** A blob without a record is an upload that lacks its last step. */
export function uploadStatus(blob: BlobState, isRecorded: boolean): UploadStatus {
  if (blob.state === "absent") return { outcome: "partial", offset: 0 };
  if (blob.state === "stored" && isRecorded) return { outcome: "stored", sizeBytes: blob.sizeBytes };
  return { outcome: "partial", offset: blob.sizeBytes };
}

/** Decide what to do with the next part of an upload. */
export function nextUploadStep(blob: BlobState, isRecorded: boolean, part: UploadPart): UploadStep {
  const status = uploadStatus(blob, isRecorded);
  if (status.outcome === "stored") return { step: "answer-stored", sizeBytes: status.sizeBytes };
  if (blob.state === "partial" && blob.sizeBytes > part.totalBytes) return { step: "start-over" };
  if (status.offset !== part.offset) return { step: "refuse-offset", offset: status.offset };
  return blob.state === "stored" ? { step: "register" } : { step: "append" };
}

export function offsetMismatch(offset: number): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "UPLOAD_OFFSET_MISMATCH",
    message: `the upload goes on at byte ${offset}`,
    details: { offset: String(offset) },
  });
}

export function tooManyBytes(totalBytes: number): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "UPLOAD_TOO_LONG",
    message: `there are more bytes than the ${totalBytes} of Upload-Length`,
    details: { totalBytes: String(totalBytes) },
  });
}
