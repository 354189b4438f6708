import { nowhere, type Place } from "../enrich/geography/place-file.ts";
import { noUserAgent, type UserAgentFacts } from "../enrich/user-agent/parse-user-agent.ts";
import type { StringTable } from "@drawbridge/request-batch";
import { FactTable } from "./fact-table.ts";
import { KnownTexts } from "./known-texts.ts";
import { NumberMap } from "./number-map.ts";
import type { RequestBlock } from "./request-block.ts";
import { TextIds } from "./text-ids.ts";

/** What is concluded from what a client told. */
export interface Enrichment {
  /** Changes when numbers of places begin to mean others. */
  placesVersion(): number;
  /** Of a place, below 2^31; what has the same number is the same place. */
  placeNumberOf(addresses: Uint8Array, offset: number): number;
  placeOf(addresses: Uint8Array, offset: number): Place;
  factsOf(userAgent: string): UserAgentFacts;
}

/** How much of a place may be told. */
export type PlaceDetail = "none" | "country" | "city";

/** What is concluded of a request, as rows of tables: one number stands for a place's five texts, or a User-Agent's eight. */
export interface FactIds {
  /** Of the address that `offset` tells. */
  placeRow(addresses: Uint8Array, offset: number, detail: PlaceDetail): number;
  /** The number of a text, for `nameIds` and `userAgentRow`: made a string only where it was not seen before. */
  textNumbers(strings: StringTable): Uint32Array;
  /** By the number of the text. */
  readonly nameIds: Readonly<Record<"replica" | "application" | "resource_path" | "verb", TextIds>>;
  userAgentRow(text: number): number;
  /** Requests by their rows of the tables. */
  pushPlaces(rows: Uint32Array): void;
  pushUserAgents(rows: Uint32Array): void;
  /** The block was cleared: its dictionaries begin anew. */
  clear(): void;
}

/** Facts and texts of some blocks are remembered; with more than this, all are forgotten. */
const mostFacts = 60_000;

export function createFactIds({ columns }: RequestBlock, enrichment: Enrichment): FactIds {
  const places = new FactTable<Place>(
    [columns.continent, columns.country, columns.timezone, columns.city, columns.postal_code],
    ({ continent, country, timezone, city, postalCode }) => [continent, country, timezone, city, postalCode],
  );
  const userAgents = new FactTable<UserAgentFacts>(
    [
      columns.browser,
      columns.user_agent_type,
      columns.user_agent_version,
      columns.hardware_platform,
      columns.os_family,
      columns.os_major_version,
      columns.os_minor_version,
      columns.os_version,
    ],
    (facts) => [
      facts.browser,
      facts.type,
      facts.version,
      facts.hardwarePlatform,
      facts.osFamily,
      facts.osMajorVersion,
      facts.osMinorVersion,
      facts.osVersion,
    ],
  );
  /** What is told of a place where only its country may be told. */
  const countries = new WeakMap<Place, Place>();
  /** Rows of `places` by twice the number of the place, one more for its country alone. */
  const rowsOfPlaces = new NumberMap();
  let placesVersion = enrichment.placesVersion();
  const texts = new KnownTexts();
  const nameIds = {
    replica: new TextIds(columns.replica, texts),
    application: new TextIds(columns.application, texts),
    resource_path: new TextIds(columns.resource_path, texts),
    verb: new TextIds(columns.verb, texts),
  };
  /** Rows of `userAgents` by the number of the text. */
  const rowsOfUserAgents = new NumberMap();

  function countryOf(place: Place): Place {
    const known = countries.get(place);
    if (known !== undefined) return known;
    const country = { ...place, city: "", postalCode: "" };
    countries.set(place, country);
    return country;
  }

  return {
    placeRow(addresses, offset, detail) {
      if (detail === "none") return places.rowOf(nowhere);
      const version = enrichment.placesVersion();
      if (version !== placesVersion) rowsOfPlaces.clear();
      placesVersion = version;
      const key = 2 * enrichment.placeNumberOf(addresses, offset) + (detail === "city" ? 0 : 1);
      const known = rowsOfPlaces.get(key);
      if (known !== undefined) {
        places.use(known);
        return known;
      }
      const place = enrichment.placeOf(addresses, offset);
      const row = places.rowOf(detail === "city" ? place : countryOf(place));
      rowsOfPlaces.set(key, row);
      return row;
    },
    textNumbers(strings) {
      const numbers = new Uint32Array(strings.length);
      for (let index = 0; index < numbers.length; index += 1)
        numbers[index] = texts.numberOf(strings.bytes, strings.beginOf(index), strings.endOf(index));
      return numbers;
    },
    nameIds,
    userAgentRow(text) {
      const known = rowsOfUserAgents.get(text);
      if (known !== undefined) {
        userAgents.use(known);
        return known;
      }
      const facts = enrichment.factsOf(texts.textOf(text));
      const row = userAgents.rowOf(facts);
      // One that nobody had the time to look at may be known the next time.
      if (facts !== noUserAgent) rowsOfUserAgents.set(text, row);
      return row;
    },
    pushPlaces: (rows) => places.push(rows),
    pushUserAgents: (rows) => userAgents.push(rows),
    clear() {
      for (const ids of Object.values(nameIds)) ids.clear();
      if (userAgents.size > mostFacts || texts.size > mostFacts) {
        texts.forget();
        userAgents.forget();
        rowsOfUserAgents.clear();
      }
      userAgents.clear();
      places.clear();
      if (places.size <= mostFacts) return;
      places.forget();
      rowsOfPlaces.clear();
    },
  };
}
