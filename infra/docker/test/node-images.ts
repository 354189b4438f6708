import { execFile } from "node:child_process";
import { copyFile, glob, mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const npm = "npm@11.19.1";
/** Of coreutils; the agent's process driver calls it. */
const mkfifo = "/usr/bin/mkfifo";
const root = resolve(import.meta.dirname, "../../..");
/** Loaded by chdb; the services that have it need the libraries of a whole glibc. */
const engine = "node_modules/.pnpm/@chdb+lib-*/node_modules/@chdb/*/libchdb.so";
const certificates = "/etc/ssl/certs/ca-certificates.crt";

/** Base images for infra/docker/Dockerfile, made of what is on this machine, because none can be pulled in CI. */
export interface NodeImages {
  /** node, mkfifo and the libraries that they load; no shell, nothing else: our images must do with this. */
  readonly runtime: string;
  /** Node, npm, a shell, and the machine's root certificates. */
  readonly build: string;
}

export async function buildNodeImages(): Promise<NodeImages> {
  const images: NodeImages = { runtime: "drawbridge-test/node", build: "drawbridge-test/node-build" };
  const work = await mkdtemp(join(tmpdir(), "drawbridge-node-image-"));
  try {
    const files = join(work, "files");
    await copyNode(files, join(work, "loader"));
    await writeFile(join(work, "Dockerfile"), runtimeDockerfile);
    await docker("build", "-q", "-t", images.runtime, work);

    await run("npm", ["install", "--prefix", join(work, "npm"), "--no-audit", "--no-fund", npm]);
    await copyFile(certificates, join(work, "ca.crt"));
    await writeFile(join(work, "Dockerfile"), buildDockerfile);
    await docker("build", "-q", "-t", images.build, work);
    return images;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

const runtimeDockerfile = `FROM scratch
COPY loader /
COPY files /
ENV PATH=/usr/local/bin
CMD ["node"]
`;

const buildDockerfile = `FROM drawbridge-test/base
COPY files /
COPY npm/node_modules/npm /usr/local/lib/node_modules/npm
COPY ca.crt ${certificates}
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx
ENV NODE_EXTRA_CA_CERTS=${certificates} SSL_CERT_FILE=${certificates} NPM_CONFIG_CAFILE=${certificates}
`;

/** The node that runs this, and every shared library that the loader names for it or for the columnar store's engine; the loader itself apart. */
async function copyNode(files: string, loader: string): Promise<void> {
  await place(process.execPath, join(files, "usr/local/bin/node"));
  await place(mkfifo, join(files, "usr/local/bin/mkfifo"));
  const engines = await Array.fromAsync(glob(engine, { cwd: root }));
  const { stdout } = await run("ldd", [process.execPath, mkfifo, ...engines.map((path) => join(root, path))]);
  const needed = stdout.split("\n").filter((line) => line.startsWith("\t")); // the others name whose they are
  for (const [path] of needed.join("\n").matchAll(/\/\S+\.so[.\d]*/g)) {
    const isLoader = basename(path).startsWith("ld-");
    // /lib is a link to /usr/lib in Debian, where the loader looks as well.
    if (isLoader) await place(path, join(loader, path));
    else await place(path, join(files, await realpath(dirname(path)), basename(path)));
  }
}

async function place(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await copyFile(await realpath(from), to);
}

async function docker(...args: string[]): Promise<void> {
  await run("docker", args, { maxBuffer: 64 * 1024 * 1024 });
}
