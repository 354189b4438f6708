import { existsSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";

/** Where Debian, Fedora, Alpine and Arch put libfaketime's variant for threads. */
const libraries = [
  "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
  "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
  "/usr/lib64/faketime/libfaketimeMT.so.1",
  "/usr/lib/faketime/libfaketimeMT.so.1",
];

/** A wall clock that can be set while a process runs. Its monotonic clock goes on as it was. */
export interface FakeTime {
  /** For the processes that are to live by it. */
  readonly environment: Readonly<Record<string, string>>;
  /** From now on so much ahead of the machine's clock (behind it if negative). */
  jump(aheadSeconds: number): Promise<void>;
}

/** @throws Error where libfaketime is not installed, with how to get it */
export async function createFakeTime(file: string): Promise<FakeTime> {
  const library = libraries.find((path) => existsSync(path));
  if (library === undefined) {
    throw new Error(
      `setting a process's clock takes libfaketime, which is none of ${libraries.join(", ")}; install it: "apt-get install faketime", "dnf install libfaketime", "apk add libfaketime" or "pacman -S libfaketime"`,
    );
  }
  async function jump(aheadSeconds: number): Promise<void> {
    const sign = aheadSeconds < 0 ? "-" : "+";
    await writeFile(`${file}.new`, `${sign}${Math.abs(aheadSeconds)}\n`, { mode: 0o644 });
    await rename(`${file}.new`, file); // never half a file
  }
  await jump(0);
  return {
    environment: {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: "1",
      DONT_FAKE_MONOTONIC: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    },
    jump,
  };
}
