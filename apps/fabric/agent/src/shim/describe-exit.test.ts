import { expect, test } from "vitest";
import { describeExit, isAbort, type AppExit } from "./describe-exit.ts";

const exits: readonly [AppExit, text: string, abort: boolean][] = [
  [{ kind: "exited", code: 0 }, "exit 0", false],
  [{ kind: "exited", code: 1 }, "exit 1", false],
  [{ kind: "exited", code: 134 }, "exit 134", true],
  [{ kind: "signalled", signal: "SIGKILL" }, "signal SIGKILL", false],
  [{ kind: "signalled", signal: "SIGABRT" }, "signal SIGABRT", true],
  [{ kind: "not_started", reason: "ENOENT" }, "cannot start (ENOENT)", false],
  [{ kind: "unobserved" }, "exit unknown", false],
];

test.each(exits)("tells %j apart", (exit, text, abort) => {
  expect(describeExit(exit, { outOfMemory: false })).toBe(text);
  expect(isAbort(exit)).toBe(abort);
});

test("says out of memory however the process ended", () => {
  for (const [exit] of exits) expect(describeExit(exit, { outOfMemory: true })).toBe("out of memory");
});
