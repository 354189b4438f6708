import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";

/** A password as it is stored: scrypt (RFC 7914) in the form that other tools write, "$scrypt$ln=14,r=8,p=5$<salt>$<hash>". */
export interface PasswordHash {
  readonly costLog2: number;
  readonly parallelization: number;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

/** OWASP's password storage cheat sheet: N=2^14, r=8, p=5 is as costly to attack as N=2^17, p=1, in 16 MB instead of 128. */
const costLog2 = 14;
const parallelization = 5;
const blockSize = 8;
const hashBytes = 32;

const stored = /^\$scrypt\$ln=(1[4-5]),r=8,p=([1-8])\$([A-Za-z0-9+/]{22,86})\$([A-Za-z0-9+/]{43})$/;

/** @returns undefined if the text is no hash that we can check at a bearable cost */
export function readPasswordHash(text: string): PasswordHash | undefined {
  const [, cost, parallel, salt, hash] = stored.exec(text) ?? [];
  if (cost === undefined || parallel === undefined || salt === undefined || hash === undefined) return undefined;
  return {
    costLog2: Number(cost),
    parallelization: Number(parallel),
    salt: Buffer.from(salt, "base64"),
    hash: Buffer.from(hash, "base64"),
  };
}

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const hash = await derive(password, { costLog2, parallelization, salt });
  const text = (bytes: Buffer) => bytes.toString("base64").replaceAll("=", "");
  return `$scrypt$ln=${costLog2},r=${blockSize},p=${parallelization}$${text(salt)}$${text(hash)}`;
}

/** Compare on the thread pool, about 0.1 s whatever the outcome. */
export async function isPassword(password: string, expected: PasswordHash): Promise<boolean> {
  return timingSafeEqual(await derive(password, expected), expected.hash);
}

/** Of no password: for users that do not exist, so that asking about them takes as long. */
export function decoyHash(like: Pick<PasswordHash, "costLog2" | "parallelization">): PasswordHash {
  return { ...like, salt: randomBytes(16), hash: randomBytes(hashBytes) };
}

function derive(password: string, { costLog2, parallelization, salt }: Omit<PasswordHash, "hash">): Promise<Buffer> {
  const N = 2 ** costLog2;
  const options = { N, r: blockSize, p: parallelization, maxmem: 256 * N * blockSize };
  return new Promise((resolve, reject) => {
    // NFC: the same letters typed on different keyboards (RFC 7617, section 2.1 leaves it to us, RFC 8265 says so).
    scrypt(password.normalize("NFC"), salt, hashBytes, options, (error, hash) =>
      error ? reject(error) : resolve(hash),
    );
  });
}
