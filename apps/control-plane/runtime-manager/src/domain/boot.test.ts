import { describe, expect, test } from "vitest";
import { decideBoot, type SupersededBoot } from "./boot.ts";

const graceMs = 120_000;
const minuteMs = 60_000;

/** runtime-manager's side of the rule, as the database keeps it. */
function aRecord() {
  let current: string | undefined;
  let superseded: readonly SupersededBoot[] = [];
  let isLocked = false;
  return {
    isLocked: () => isLocked,
    isCurrent: (bootId: string) => bootId === current,
    /** What a hello is answered with. */
    hello(bootId: string, atMs: number): "welcome" | "locked" | number {
      if (isLocked) return "locked";
      if (current === undefined) {
        current = bootId;
        return "welcome";
      }
      const verdict = decideBoot({ current, superseded, bootId, now: new Date(atMs), graceMs });
      switch (verdict.verdict) {
        case "same":
          return "welcome";
        case "next":
          current = bootId;
          superseded = verdict.superseded;
          return "welcome";
        case "too_many":
          return verdict.retryAfterMs;
        case "told":
          superseded = verdict.superseded;
          return verdict.retryAfterMs;
        case "duplicate":
          isLocked = true;
          return "locked";
      }
    },
  };
}

/** Repeatable: the same seed, the same story. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}

const stories = Array.from({ length: 300 }, (_, seed) => seed + 1);

describe("never locks", () => {
  test("one process that reconnects, hands over and is cut off, however often and however long", () => {
    for (const seed of stories) {
      const random = randomFrom(seed);
      const record = aRecord();
      let atMs = 0;
      for (let n = 0; n < 50; n += 1) {
        expect(record.hello("boot", atMs)).toBe("welcome");
        atMs += random() * 100 * minuteMs;
      }
    }
  });

  test("restarts, each after the end of the process before", () => {
    for (const seed of stories) {
      const random = randomFrom(seed);
      const record = aRecord();
      let atMs = 0;
      for (let n = 0; n < 50; n += 1) {
        for (let hellos = random() * 4; hellos >= 0; hellos -= 1) {
          expect(record.hello(`boot-${n}`, atMs)).toBe("welcome");
          atMs += random() * 10 * minuteMs;
        }
      }
    }
  });

  test("rolling updates whose earlier process is stopped within the grace, however eagerly it comes back until then", () => {
    for (const seed of stories) {
      const random = randomFrom(seed);
      const record = aRecord();
      let atMs = 0;
      for (let n = 0; n < 30; n += 1) {
        expect(record.hello(`boot-${n}`, atMs)).toBe("welcome");
        const endsAtMs = atMs + random() * (graceMs - 1);
        for (let backMs = n === 0 ? endsAtMs : atMs; backMs < endsAtMs; backMs += random() * 10_000) {
          expect(record.hello(`boot-${n - 1}`, backMs)).not.toBe("welcome");
        }
        atMs = endsAtMs + random() * minuteMs;
        expect(record.isLocked()).toBe(false);
        expect(record.isCurrent(`boot-${n}`)).toBe(true);
      }
    }
  });

  test("a process that was replaced while it was cut off, back after any time and stopped within the grace", () => {
    for (const seed of stories) {
      const random = randomFrom(seed);
      const record = aRecord();
      record.hello("cut-off", 0);
      record.hello("replacement", random() * minuteMs);
      const backAtMs = random() * 10_000 * minuteMs;
      for (let atMs = backAtMs; atMs < backAtMs + graceMs; atMs += 1 + random() * 30_000) record.hello("cut-off", atMs);
      expect(record.isLocked()).toBe(false);
    }
  });
});

describe("always locks", () => {
  /**
   * Two copies of one disk, each with a process that comes back as agents do: after a kick within half a minute, after a
   * refusal when it was told to, after a lost connection at any time. Restarts happen, but each copy stays up in the end.
   */
  test("two copies of one disk that both live on", () => {
    for (const seed of stories) {
      const random = randomFrom(seed);
      const record = aRecord();
      const settledAtMs = random() * 60 * minuteMs;
      const copies = ["original", "clone"].map((name) => ({ name, boot: `${name}-0`, nextMs: random() * minuteMs }));
      for (let atMs = 0; atMs < settledAtMs + 10 * graceMs && !record.isLocked(); atMs += 1_000) {
        for (const copy of copies) {
          if (atMs < settledAtMs && random() < 0.002) copy.boot = `${copy.name}-${atMs}`;
          // A copy that was taken over from has been kicked and knows that it has to come back.
          if (!record.isCurrent(copy.boot) && copy.nextMs === Infinity) copy.nextMs = atMs + random() * 30_000;
          if (atMs < copy.nextMs) continue;
          const answer = record.hello(copy.boot, atMs);
          if (answer === "welcome") copy.nextMs = Infinity;
          else if (answer !== "locked") copy.nextMs = atMs + answer;
        }
      }
      expect(record.isLocked()).toBe(true);
    }
  });
});

test("a process that was taken over from is told how long to wait", () => {
  const at = new Date(0);
  const superseded = [{ bootId: "first", at, toldAt: undefined }];
  const of = { current: "second", superseded, bootId: "first", graceMs };
  expect(decideBoot({ ...of, now: new Date(5) })).toEqual({
    verdict: "told",
    superseded: [{ bootId: "first", at, toldAt: new Date(5) }],
    retryAfterMs: graceMs + 1_000,
  });
});

test("the grace counts from the first time that it was told, and ends on the instant", () => {
  const superseded = [{ bootId: "first", at: new Date(0), toldAt: new Date(0) }];
  const of = { current: "second", superseded, bootId: "first", graceMs };
  expect(decideBoot({ ...of, now: new Date(graceMs - 1) })).toMatchObject({ verdict: "told", superseded });
  expect(decideBoot({ ...of, now: new Date(graceMs) })).toEqual({ verdict: "duplicate" });
});

test("a copy that hides behind names of processes that never were locks all the same (REN 7)", () => {
  for (const seed of stories) {
    const random = randomFrom(seed);
    const record = aRecord();
    record.hello("original", 0);
    let backAtMs: number | undefined;
    for (let atMs = 1_000; atMs < 60 * minuteMs && !record.isLocked(); atMs += 1_000) {
      // A new name every second, as fast as it is let in.
      if (record.hello(`nobody-${atMs}`, atMs) === "welcome") backAtMs ??= atMs + random() * 30_000;
      if (backAtMs === undefined || atMs < backAtMs) continue;
      const answer = record.hello("original", atMs);
      if (typeof answer === "number") backAtMs = atMs + answer;
    }
    expect(record.isLocked()).toBe(true);
  }
});

test("a fifty-first process within five minutes waits, and is let in after that", () => {
  const record = aRecord();
  for (let n = 0; n <= 50; n += 1) expect(record.hello(`boot-${n}`, n * 1_000)).toBe("welcome");
  expect(record.hello("boot-51", 51_000)).toBe(60_000);
  expect(record.hello("boot-51", 1_000 + 5 * minuteMs - 1)).toBe(60_000);
  expect(record.hello("boot-51", 1_000 + 5 * minuteMs)).toBe("welcome");
});

test("remembers the last 256 processes", () => {
  let superseded: readonly SupersededBoot[] = [];
  for (let n = 0; n < 260; n += 1) {
    const verdict = decideBoot({
      current: `boot-${n}`,
      superseded,
      bootId: `boot-${n + 1}`,
      now: new Date(n * minuteMs),
      graceMs,
    });
    if (verdict.verdict === "next") superseded = verdict.superseded;
  }
  expect(superseded.map(({ bootId }) => bootId)).toEqual(Array.from({ length: 256 }, (_, n) => `boot-${259 - n}`));
});
