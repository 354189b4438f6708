import type { CertificateFile, ParsedPair } from "./certificate-pair.ts";

/** What one look at a certificate's folder found. */
export interface Look {
  /** Of the files' content: equal where nothing has changed. */
  readonly digest: string;
  readonly pair: ParsedPair;
}

/** A certificate of a folder over time. */
export interface HeldCertificate {
  /** In force; `undefined`: nothing that could be. */
  readonly pair: CertificateFile | undefined;
  /** One clause; `undefined`: all is well. */
  readonly problem: string | undefined;
  /** What the last look found; `undefined`: the folder was not there. */
  readonly seen: string | undefined;
}

/**
 * What a look changes. A pair that cannot be used takes nobody's place, and one that is out of its time only that of nothing
 * or of one that is out of its time too: a client that does not look at the time is still served. What is half written is
 * complete a look later, so a fault counts when it is seen a second time.
 *
 * The answer is `undefined` when the folder is gone for good.
 */
export function nextHeld(
  before: HeldCertificate | undefined,
  look: Look | undefined,
  now: Date,
): HeldCertificate | undefined {
  const isSettled = before !== undefined && before.seen === look?.digest;
  if (look === undefined) {
    return before === undefined || isSettled ? undefined : { ...before, seen: undefined };
  }
  const seen = look.digest;
  if (look.pair.parsed === "broken") {
    const problem = isSettled ? look.pair.problem : before?.problem;
    return { pair: before?.pair, problem: withRest(problem, before?.pair), seen };
  }
  const { pair } = look.pair;
  const untimely = timeProblem(pair, now);
  const isBetter = untimely === undefined || before?.pair === undefined || timeProblem(before.pair, now) !== undefined;
  if (isBetter) return { pair, problem: untimely, seen };
  return { pair: before.pair, problem: withRest(untimely, before.pair), seen };
}

function timeProblem({ notBefore, notAfter }: CertificateFile, now: Date): string | undefined {
  if (now >= notAfter) return `the certificate has expired on ${notAfter.toISOString()}`;
  if (now < notBefore) return `the certificate is not valid before ${notBefore.toISOString()}`;
  return undefined;
}

const rest = "; the one before it stays in force";

function withRest(problem: string | undefined, earlier: CertificateFile | undefined): string | undefined {
  return problem === undefined || earlier === undefined || problem.endsWith(rest) ? problem : `${problem}${rest}`;
}
