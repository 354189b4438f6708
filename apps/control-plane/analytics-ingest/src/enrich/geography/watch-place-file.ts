import { readFile, stat } from "node:fs/promises";
import { isDrawbridgeError } from "@drawbridge/errors";
import { createLoop, type Clock, type Component } from "@drawbridge/lifecycle";
import { nowhere, PlaceFile, type Place } from "./place-file.ts";

export interface PlaceFileLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface Geography extends Component {
  /** @param addresses 16 bytes at `offset` are the address; one that is a hash is nowhere */
  placeOf(addresses: Uint8Array, offset: number): Place;
  /** What has the same number is the same place, as long as the version is the same. */
  placeNumberOf(addresses: Uint8Array, offset: number): number;
  /** Of the file in use. */
  version(): number;
  /** Undefined when places are told, or nobody asked for them. */
  note(): string | undefined;
}

export interface WatchPlaceFileOptions {
  /** Undefined: nothing is said of places. */
  readonly path: string | undefined;
  readonly intervalMs?: number;
  readonly clock: Clock;
  readonly logger: PlaceFileLogger;
}

const defaultIntervalMs = 10_000;
/** First byte of an address that request-batch made by hashing: fd00::/8. */
const hashedPrefix = 0xfd;

/**
 * The operator's file of places, read anew when it becomes another one. A file that cannot be read leaves the one before in use;
 * looking at it again and again instead of being told of changes also sees a mount or a symbolic link that was switched.
 */
export function watchPlaceFile(options: WatchPlaceFileOptions): Geography {
  const { path, clock, logger } = options;
  let current: PlaceFile | undefined;
  let version = 0;
  let seen = "";
  let problem: string | undefined = path === undefined ? undefined : "has not been read yet";

  async function look(): Promise<void> {
    if (path === undefined) return;
    const version = await versionOf(path);
    if (version === seen) return;
    seen = version;
    if (version === absent) {
      problem = "is not there";
      logger.warn({ path }, "the file of places is not there");
      return;
    }
    await load(path);
  }

  async function load(from: string): Promise<void> {
    try {
      current = new PlaceFile(await readFile(from));
      version += 1;
      problem = undefined;
      logger.info({ path: from }, "file of places read");
    } catch (err) {
      problem = isDrawbridgeError(err, "GEOIP_FILE_INVALID") ? "is no MMDB file" : "cannot be read";
      logger.warn({ err, path: from }, "the file of places cannot be used");
    }
  }

  const loop = createLoop({
    name: "places",
    clock,
    intervalMs: options.intervalMs ?? defaultIntervalMs,
    pass: look,
    onError: (err) => logger.warn({ err, path }, "the file of places cannot be looked at"),
  });

  return {
    name: loop.name,
    async start(signal) {
      await look();
      await loop.start(signal);
    },
    stop: (deadline) => loop.stop(deadline),
    placeOf(addresses, offset) {
      return current === undefined || addresses[offset] === hashedPrefix ? nowhere : current.placeOf(addresses, offset);
    },
    placeNumberOf(addresses, offset) {
      return current === undefined || addresses[offset] === hashedPrefix ? 0 : current.placeNumberOf(addresses, offset);
    },
    version: () => version,
    note() {
      if (problem === undefined) return undefined;
      return current === undefined
        ? `no geography: ${String(path)} ${problem}`
        : `geography of before: ${String(path)} ${problem}`;
    },
  };
}

const absent = "absent";

async function versionOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs].join(":");
  } catch {
    return absent;
  }
}
