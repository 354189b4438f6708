import { rename, writeFile } from "node:fs/promises";

/** A wall clock that can be set while a process runs. Its monotonic clock goes on as it was. */
export interface FakeTime {
  /** For the processes that are to live by it. */
  readonly environment: Readonly<Record<string, string>>;
  /** From now on so much ahead of the machine's clock (behind it if negative). */
  jump(aheadSeconds: number): Promise<void>;
}

/** `library` as `findFakeTime` found it, `file` to say the time in. */
export async function createFakeTime(library: string, file: string): Promise<FakeTime> {
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
