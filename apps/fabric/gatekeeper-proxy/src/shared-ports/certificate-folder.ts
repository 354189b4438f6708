import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { CertificateSource } from "@drawbridge/app-routes";
import type { Clock } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import type { CertificatesByName } from "../workers/protocol.ts";
import { parsePair, type ParsedPair } from "./certificate-pair.ts";
import { nextHeld, type HeldCertificate, type Look } from "./held-certificate.ts";

const maxFileBytes = 256 * 1024;
const maxCertificates = 1_000;

/**
 * The certificates of a folder, looked at again and again: `<name>/tls.crt` and `<name>/tls.key`, whatever symbolic links
 * lead to them. Names that begin with a dot are the mount's own.
 */
export class CertificateFolder {
  readonly #source: CertificateSource;
  readonly #clock: Pick<Clock, "now">;
  readonly #logger: Logger;
  readonly #parsed = new Map<string, ParsedPair>();
  #held = new Map<string, HeldCertificate>();
  #folderProblem: string | undefined;

  constructor(options: {
    readonly source: CertificateSource;
    readonly clock: Pick<Clock, "now">;
    readonly logger: Logger;
  }) {
    this.#source = options.source;
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  /** A folder that cannot be read changes nothing: what was read before stays in force. */
  look(): void {
    const { certificatesDirectory } = this.#source;
    let names: readonly string[];
    try {
      names = readdirSync(certificatesDirectory).filter((name) => !name.startsWith("."));
      this.#folderProblem =
        names.length > maxCertificates ? `there are more than ${maxCertificates} certificates` : undefined;
    } catch (error) {
      this.#folderProblem = `${certificatesDirectory} cannot be read (${codeOf(error)})`;
      return;
    }
    const looks = new Map(names.slice(0, maxCertificates).map((name) => [name, this.#lookAt(name)]));
    const now = this.#clock.now();
    const held = new Map<string, HeldCertificate>();
    for (const name of new Set([...looks.keys(), ...this.#held.keys()].toSorted())) {
      const next = nextHeld(this.#held.get(name), looks.get(name), now);
      if (next !== undefined) held.set(name, next);
      this.#tell(name, this.#held.get(name), next);
    }
    this.#held = held;
    const seen = new Set([...looks.values()].map((look) => look.digest));
    for (const digest of this.#parsed.keys()) if (!seen.has(digest)) this.#parsed.delete(digest);
  }

  /** In force, those that are good for the longest time first. */
  current(): CertificatesByName {
    const now = this.#clock.now();
    const certificates = [...this.#held.values()]
      .flatMap(({ pair }) => pair ?? [])
      .toSorted(
        (one, other) =>
          Number(one.notBefore > now) - Number(other.notBefore > now) ||
          other.notAfter.getTime() - one.notAfter.getTime(),
      )
      .map(({ names, certificateChainPem, privateKeyPem }) => ({ names, certificateChainPem, privateKeyPem }));
    return { certificates, fallback: this.#fallback() };
  }

  problems(): readonly string[] {
    const { defaultCertificate } = this.#source;
    const ofCertificates = [...this.#held].flatMap(([name, { problem }]) =>
      problem === undefined ? [] : [`${name}: ${problem}`],
    );
    const isMissing = defaultCertificate !== undefined && this.#fallback() === undefined;
    return [
      ...(this.#folderProblem === undefined ? [] : [this.#folderProblem]),
      ...ofCertificates,
      ...(isMissing ? [`${defaultCertificate}: there is no such certificate to fall back on`] : []),
    ];
  }

  #fallback(): CertificatesByName["fallback"] {
    const pair = this.#held.get(this.#source.defaultCertificate ?? "")?.pair;
    return pair && { certificateChainPem: pair.certificateChainPem, privateKeyPem: pair.privateKeyPem };
  }

  #lookAt(name: string): Look {
    const folder = join(this.#source.certificatesDirectory, name);
    let chain: string;
    let key: string;
    try {
      [chain, key] = [readFileSync(join(folder, "tls.crt"), "utf8"), readFileSync(join(folder, "tls.key"), "utf8")];
    } catch (error) {
      const problem = `tls.crt or tls.key cannot be read (${codeOf(error)})`;
      return { digest: problem, pair: { parsed: "broken", problem } };
    }
    if (chain.length > maxFileBytes || key.length > maxFileBytes) {
      return { digest: "too large", pair: { parsed: "broken", problem: "tls.crt or tls.key is larger than 256 KiB" } };
    }
    const digest = createHash("sha256").update(`${chain}\0${key}`).digest("hex");
    const pair = this.#parsed.get(digest) ?? parsePair(chain, key);
    this.#parsed.set(digest, pair);
    return { digest, pair };
  }

  #tell(name: string, before: HeldCertificate | undefined, after: HeldCertificate | undefined): void {
    const pair = after?.pair;
    if (pair !== undefined && pair !== before?.pair) {
      const { names, notAfter } = pair;
      this.#logger.info({ certificate: name, names, not_after: notAfter }, "a server certificate is in force");
    }
    if (after === undefined && before !== undefined)
      this.#logger.info({ certificate: name }, "a server certificate is gone");
    if (before?.problem === after?.problem) return;
    if (after?.problem === undefined)
      this.#logger.info({ certificate: name }, "a server certificate is in order again");
    else this.#logger.error({ certificate: name, problem: after.problem }, "a server certificate cannot be used");
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown";
}
