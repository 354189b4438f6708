import { expect, test } from "vitest";
import { parseAppUsers } from "./app-users.ts";

const accounts = {
  passwd: "root:x:0:0:root:/root:/bin/sh\napp:x:1500:1600::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n",
  group: "root:x:0:\napps:x:1600:app\nweb:x:1700:\n",
};

test.each([
  [undefined, { kind: "agent" }],
  ["app", { kind: "shared", runAs: { uid: 1_500, gid: 1_600 } }],
  ["app:web", { kind: "shared", runAs: { uid: 1_500, gid: 1_700 } }],
  ["1500", { kind: "shared", runAs: { uid: 1_500, gid: 1_600 } }],
  ["4242", { kind: "shared", runAs: { uid: 4_242, gid: 4_242 } }],
  ["4242:web", { kind: "shared", runAs: { uid: 4_242, gid: 1_700 } }],
  ["4242:99", { kind: "shared", runAs: { uid: 4_242, gid: 99 } }],
  ["200000-200999", { kind: "own", from: 200_000, to: 200_999 }],
])("reads %s", (text, users) => {
  expect(parseAppUsers(text, accounts)).toEqual(users);
});

test.each([
  ["root", "apps must not run as root"],
  ["0", "apps must not run as root"],
  ["app:root", "apps must not run as root"],
  ["nobody-here", 'there is no user "nobody-here"'],
  ["app:no-group", 'there is no group "no-group"'],
  ["200-100", "the range must rise"],
  ["0-10", "the range must rise"],
  ["1000-2000", '1500 of the range is the user "app"'],
  ["4294967295", "higher than the system's highest"],
])("refuses %s", (text, why) => {
  expect(() => parseAppUsers(text, accounts)).toThrow(why);
});
