import { expect, test } from "vitest";
import { bucketBegins, type BucketWidth } from "./time-buckets.ts";

const begins = (width: BucketWidth, zone: string, from: string, to: string): readonly string[] =>
  bucketBegins(width, zone, { from: new Date(from), to: new Date(to) }).map((at) =>
    new Date(at).toISOString().replace(":00.000Z", "Z"),
  );

test.each([
  [
    "a day that loses an hour",
    "day",
    "Europe/Berlin",
    "2026-03-28T12:00Z",
    "2026-03-30T12:00Z",
    ["2026-03-27T23:00Z", "2026-03-28T23:00Z", "2026-03-29T22:00Z"],
  ],
  [
    "a day that gains an hour",
    "day",
    "Europe/Berlin",
    "2026-10-24T22:00Z",
    "2026-10-26T23:00Z",
    ["2026-10-24T22:00Z", "2026-10-25T23:00Z"],
  ],
  [
    "a day whose midnight does not exist",
    "day",
    "Africa/Cairo",
    "2026-04-23T00:00Z",
    "2026-04-25T00:00Z",
    ["2026-04-22T22:00Z", "2026-04-23T22:00Z", "2026-04-24T21:00Z"],
  ],
  [
    "a zone at quarter hours",
    "day",
    "Asia/Kathmandu",
    "2026-01-01T00:00Z",
    "2026-01-02T00:00Z",
    ["2025-12-31T18:15Z", "2026-01-01T18:15Z"],
  ],
  [
    "weeks from Monday, over the change",
    "week",
    "Europe/Berlin",
    "2026-03-25T00:00Z",
    "2026-04-01T00:00Z",
    ["2026-03-22T23:00Z", "2026-03-29T22:00Z"],
  ],
  [
    "months",
    "month",
    "America/New_York",
    "2026-02-15T00:00Z",
    "2026-04-01T04:00Z",
    ["2026-02-01T05:00Z", "2026-03-01T05:00Z"],
  ],
  [
    "the hour that comes twice, twice",
    "hour",
    "Europe/Berlin",
    "2026-10-25T00:00Z",
    "2026-10-25T02:00Z",
    ["2026-10-25T00:00Z", "2026-10-25T01:00Z"],
  ],
  [
    "hours of a zone at half hours",
    "hour",
    "Asia/Kolkata",
    "2026-01-01T00:00Z",
    "2026-01-01T01:00Z",
    ["2025-12-31T23:30Z", "2026-01-01T00:30Z"],
  ],
  [
    "half an hour that clocks are set back",
    "hour",
    "Australia/Lord_Howe",
    "2026-04-04T14:00Z",
    "2026-04-04T16:00Z",
    ["2026-04-04T14:00Z", "2026-04-04T15:00Z", "2026-04-04T15:30Z"],
  ],
] as const)("%s (ANA 3)", (_what, width, zone, from, to, expected) => {
  expect(begins(width, zone, from, to)).toEqual(expected);
});

test.each(["+02:00", "Mars/Olympus", "UTC'; DROP TABLE requests", "../etc/passwd", " "])(
  "%s is no time zone",
  (zone) => {
    expect(() => begins("day", zone, "2026-01-01T00:00Z", "2026-01-02T00:00Z")).toThrow("IANA");
  },
);

test("no time zone is UTC, and more buckets than anybody looks at are refused before they are made", () => {
  expect(begins("day", "", "2026-01-01T01:00Z", "2026-01-02T00:00Z")).toEqual(["2026-01-01T00:00Z"]);
  expect(() => begins("minute", "", "1990-01-01T00:00Z", "2026-01-02T00:00Z")).toThrow("5,000 buckets");
});
