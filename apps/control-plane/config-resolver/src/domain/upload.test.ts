import { expect, test } from "vitest";
import { nextUploadStep, uploadStatus, type BlobState, type UploadStep } from "./upload.ts";

test.each<[string, BlobState, "recorded" | "unrecorded", number, UploadStep]>([
  ["the first part of a new bundle is taken", { state: "absent" }, "unrecorded", 0, { step: "append" }],
  ["a new bundle begins at byte 0", { state: "absent" }, "unrecorded", 5, { step: "refuse-offset", offset: 0 }],
  ["the next part goes on at the end", { state: "partial", sizeBytes: 40 }, "unrecorded", 40, { step: "append" }],
  [
    "a part that came already is refused with the right offset",
    { state: "partial", sizeBytes: 40 },
    "unrecorded",
    0,
    { step: "refuse-offset", offset: 40 },
  ],
  [
    "a part after a gap is refused with the right offset",
    { state: "partial", sizeBytes: 40 },
    "unrecorded",
    50,
    { step: "refuse-offset", offset: 40 },
  ],
  [
    "all bytes but no check yet: checked now",
    { state: "partial", sizeBytes: 100 },
    "unrecorded",
    100,
    { step: "append" },
  ],
  ["more than the whole begins anew", { state: "partial", sizeBytes: 101 }, "unrecorded", 101, { step: "start-over" }],
  ["stored but not recorded is recorded", { state: "stored", sizeBytes: 100 }, "unrecorded", 100, { step: "register" }],
  [
    "stored but not recorded tells a late starter where it is",
    { state: "stored", sizeBytes: 100 },
    "unrecorded",
    0,
    { step: "refuse-offset", offset: 100 },
  ],
  [
    "stored and recorded is done, whatever the offset",
    { state: "stored", sizeBytes: 100 },
    "recorded",
    0,
    { step: "answer-stored", sizeBytes: 100 },
  ],
  ["recorded without its bytes is uploaded again", { state: "absent" }, "recorded", 0, { step: "append" }],
])("%s", (_rule, blob, record, offset, expected) => {
  expect(nextUploadStep(blob, record === "recorded", { offset, totalBytes: 100 })).toEqual(expected);
});

test("a bundle counts as stored only with bytes and record", () => {
  expect(uploadStatus({ state: "stored", sizeBytes: 7 }, true)).toEqual({ outcome: "stored", sizeBytes: 7 });
  expect(uploadStatus({ state: "stored", sizeBytes: 7 }, false)).toEqual({ outcome: "partial", offset: 7 });
  expect(uploadStatus({ state: "partial", sizeBytes: 3 }, false)).toEqual({ outcome: "partial", offset: 3 });
  expect(uploadStatus({ state: "absent" }, true)).toEqual({ outcome: "partial", offset: 0 });
});
