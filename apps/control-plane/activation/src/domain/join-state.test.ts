import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { createJoinStates } from "./join-state.ts";

const [key, otherKey] = [randomBytes(32), randomBytes(32)];
const agentId = "0193a000-0000-7000-8000-000000000001";
const mark = { sequence: 7, nonce: randomBytes(16) };

test("a join state is the same for the same mark, and reads back as it", () => {
  const states = createJoinStates([key]);
  const text = states.issue(agentId, mark);
  expect(states.issue(agentId, mark)).toBe(text);
  expect(states.read(agentId, text)).toEqual({ shown: "ours", ...mark });
});

test("what is stored of a join state makes none without the key", () => {
  const text = createJoinStates([otherKey]).issue(agentId, mark);
  expect(createJoinStates([key]).read(agentId, text)).toEqual({ shown: "unreadable" });
});

test("another agent's join state is not read", () => {
  const states = createJoinStates([key]);
  const text = states.issue("0193a000-0000-7000-8000-000000000002", mark);
  expect(states.read(agentId, text)).toEqual({ shown: "unreadable" });
});

test("one changed character anywhere makes a join state unreadable", () => {
  const states = createJoinStates([key]);
  const text = states.issue(agentId, mark);
  for (let index = 0; index < text.length; index += 1) {
    const changed = text.slice(0, index) + (text[index] === "A" ? "B" : "A") + text.slice(index + 1);
    expect(states.read(agentId, changed)).toEqual({ shown: "unreadable" });
  }
});

test("of the texts that decode to the same octets only the issued one is read", () => {
  const states = createJoinStates([key]);
  const text = states.issue(agentId, mark);
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const readable = Array.from(alphabet).filter(
    (last) => states.read(agentId, text.slice(0, -1) + last).shown === "ours",
  );
  expect(readable).toEqual([text.at(-1)]);
});

test("a previous key still reads what it made", () => {
  const text = createJoinStates([otherKey]).issue(agentId, mark);
  expect(createJoinStates([key, otherKey]).read(agentId, text)).toEqual({ shown: "ours", ...mark });
});

test("no join state is told from an unreadable one", () => {
  expect(createJoinStates([key]).read(agentId, "")).toEqual({ shown: "none" });
});
