import { DrawbridgeError } from "@drawbridge/errors";
import type { AppRecord } from "./app.ts";

/** As much of a revision as the choice needs. */
export interface EarlierRevision {
  readonly revision: bigint;
  readonly version: string;
  readonly bundleDigest: string;
  readonly configurationDigest: string | undefined;
  /** When it was first seen serving; undefined if it never was. */
  readonly servedAt: Date | undefined;
}

const mostNamed = 10;

/**
 * The revision that a roll-back without a number goes to: the newest one before the current one that once served and is
 * not the same in content. One that never served is no place to flee to. `earlier` is newest first.
 * @throws DrawbridgeError `NO_SERVED_REVISION` (failed_precondition)
 */
export function rollbackTarget(current: AppRecord, earlier: readonly EarlierRevision[]): bigint {
  const target = earlier.find((revision) => revision.servedAt !== undefined && !isSameContent(current, revision));
  if (target) return target.revision;
  throw noServedRevision(current, earlier);
}

function isSameContent({ spec }: AppRecord, revision: EarlierRevision): boolean {
  return (
    spec.version === revision.version &&
    spec.bundle.digest === revision.bundleDigest &&
    spec.configuration?.digest === revision.configurationDigest
  );
}

function noServedRevision(current: AppRecord, earlier: readonly EarlierRevision[]): DrawbridgeError {
  const { name, revision, version } = current.spec;
  const named = earlier
    .slice(0, mostNamed)
    .map((each) => `${each.revision} (version ${each.version}, ${wordsFor(current, each)})`)
    .join(", ");
  const rest = earlier.length > mostNamed ? ` and ${earlier.length - mostNamed} older ones` : "";
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "NO_SERVED_REVISION",
    message:
      earlier.length === 0
        ? `revision ${revision} (version ${version}) is the only one of "${name}", so there is none to go back to`
        : `of the revisions before ${revision} (version ${version}) of "${name}" none with other content ever served, so none is chosen by itself: ${named}${rest}. Name the one that you want: --to <revision> ("toRevision" in the API)`,
  });
}

function wordsFor(current: AppRecord, revision: EarlierRevision): string {
  if (isSameContent(current, revision)) return "the same content as now";
  return revision.servedAt === undefined ? "never served" : "served";
}
