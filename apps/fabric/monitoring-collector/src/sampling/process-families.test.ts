import { expect, test } from "vitest";
import { familiesOf } from "./process-families.ts";
import { parseProcessStat, type ProcessLook } from "./process-times.ts";

function aProcess(pid: number, of: Partial<ProcessLook> = {}): ProcessLook {
  return {
    key: `${pid}:1`,
    pid,
    parentPid: 1,
    groupId: pid,
    sessionId: pid,
    startTicks: "1",
    times: { ownMs: 0, waitedMs: 0 },
    ...of,
  };
}

const pidsOf = (families: ReturnType<typeof familiesOf>, pid: number): readonly number[] =>
  (families.get(pid) ?? []).map((process) => process.pid);

test("a replica is its group, its session and their descendants; orphans of its group too (MON)", () => {
  const processes = [
    aProcess(10),
    aProcess(11, { groupId: 10, sessionId: 10, parentPid: 10 }),
    aProcess(12, { parentPid: 11 }), // left group and session
    aProcess(13, { groupId: 10, sessionId: 10 }), // its parent has died
    aProcess(20),
    aProcess(21, { parentPid: 20, sessionId: 20 }),
    aProcess(30),
  ];
  const families = familiesOf(
    [processes[0], processes[4]].flatMap((leader) => leader ?? []),
    processes,
  );
  expect(pidsOf(families, 10)).toEqual([10, 11, 12, 13]);
  expect(pidsOf(families, 20)).toEqual([20, 21]);
});

test("a pid that is somebody else's now has no family of ours", () => {
  const families = familiesOf([{ pid: 10, startTicks: "1" }], [aProcess(10, { startTicks: "2" })]);
  expect(pidsOf(families, 10)).toEqual([]);
});

test("reads the times of a process whose name looks like the end of its name", () => {
  const tail = "0 -1 4194560 1 2 3 4 250 50 1000 7 20 0 11 0 5555 1 2";
  expect(parseProcessStat(42, `42 (a) b (c)) S 1 40 39 ${tail}`)).toMatchObject({
    key: "42:5555",
    parentPid: 1,
    groupId: 40,
    sessionId: 39,
    times: { ownMs: 3_000, waitedMs: 10_070 },
  });
});
