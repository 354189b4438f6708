import fc from "fast-check";
import { expect, test } from "vitest";
import { parseUriTemplate } from "../matching/uri-template.ts";
import { isRouteTemplate, routeTemplate, uriTemplateOfRoute } from "./route-template.ts";
import { commonRouteWords } from "./route-words.ts";

const none: ReadonlySet<string> = new Set();
const own: ReadonlySet<string> = new Set(["dunning", "ada"]);

test.each([
  ["/", "/"],
  ["/orders", "/orders"],
  ["/orders/", "/orders"],
  ["/orders/42", "/orders/{}"],
  ["/v1/orders/42/order-items/7", "/v1/orders/{}/order-items/{}"],
  ["/v2.1/customerAddresses", "/v2.1/customerAddresses"],
  ["/reports/monthly.csv", "/reports/monthly.csv"],
  ["/companies/acme/branches", "/companies/{}/branches"],
  ["/dunning", "/{}"],
  ["/v2026/orders", "/{}/orders"],
  ["/order-items-status-history-archive", "/{}"],
  [`/${"order-".repeat(3)}${"o".repeat(32)}`, "/{}"],
])("keeps known words of %j and nothing else (GK 8)", (path, expected) => {
  expect(routeTemplate(path, none)).toBe(expected);
});

test.each(["", "orders", "//", "/orders//1", "//orders", `/${"orders/".repeat(13)}`])("%j is no route", (path) => {
  expect(routeTemplate(path, none)).toBeUndefined();
});

test("an operator's own words are kept where he asks for it, also in the plural and within compounds", () => {
  expect(routeTemplate("/dunnings/dunning-runs/ada.json", own)).toBe("/dunnings/dunning-runs/ada.json");
});

/** What people and systems put into paths, and what must never leave a cluster (MGT 6). */
const canaries = [
  "ada.lovelace",
  "ada",
  "Ada",
  "ada-lovelace",
  "ada_lovelace",
  "adaLovelace",
  "o'brien",
  "ada@example.com",
  "ada%40example.com",
  "42",
  "-1",
  "00049123",
  "+4915112345678",
  "0f8fad5b-d9cb-469f-a165-70867728950e",
  "507f1f77bcf86cd799439011",
  "c2VjcmV0LXRva2Vu",
  "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.",
  "DE89370400440532013000",
  "2026-11-22",
  "order-42",
  "orders;owner=ada",
  "orders~ada",
  "caf%C3%A9",
  "M%C3%BCller",
  "Müller",
  "山田",
  "..%2F..%2Fetc%2Fpasswd",
  "a".repeat(200),
  "orders.ada",
  "ORDERS",
  "dbt1.id.secret",
  "{ada}",
  "{}ada",
  "*",
];

test.each(canaries)("never keeps %j, wherever it stands (MGT 6)", (canary) => {
  for (const path of [`/${canary}`, `/users/${canary}`, `/users/${canary}/orders`, `/${canary}/${canary}`]) {
    expect(routeTemplate(path, none)).not.toContain(canary);
  }
});

const givenNames = `james mary robert patricia john jennifer michael linda david elizabeth william barbara richard susan joseph
  jessica thomas sarah charles karen christopher lisa daniel nancy matthew betty anthony sandra mark margaret donald ashley
  steven kimberly paul emily andrew donna joshua michelle kenneth carol kevin amanda brian dorothy george melissa timothy
  deborah ronald stephanie edward rebecca jason sharon jeffrey laura ryan cynthia jacob kathleen gary amy nicholas angela
  eric shirley jonathan anna stephen brenda larry pamela justin emma scott nicole brandon helen benjamin samantha samuel
  katherine gregory christine alexander debra frank rachel patrick carolyn raymond janet jack catherine dennis maria jerry
  heather tyler diane aaron ruth jose julie adam olivia nathan joyce henry virginia zachary victoria douglas kelly peter
  lauren kyle christina noah joan ethan evelyn jeremy judith walter megan christian andrea keith cheryl roger hannah terry
  jacqueline austin martha sean gloria gerald teresa carl ann harold sara dylan madison arthur frances lawrence kathryn
  jordan janice jesse jean bryan abigail billy alice bruce julia gabriel judy joe sophia logan grace alan denise juan amber
  albert doris willie marilyn elijah danielle wayne beverly randy isabella vincent theresa mason diana roy natalie ralph
  brittany bobby charlotte russell marie bradley kayla philip alexis eugene lori will bill rob may april june august summer
  dawn rose lily daisy ruby pearl joy hope faith eve gene guy max miles nick penny rich ray dean dale drew grant chase cash
  hunter lane robin sage victor wade art pat kit lance reed skye angel ali mohammed fatima wei li yuki hans lena lukas finn
  mia ben leon paula clara otto karl ida nils sven olga ivan boris chen ming raj priya amit ravi`;
const familyNames = `smith johnson williams brown jones garcia miller davis rodriguez martinez hernandez lopez gonzalez wilson
  anderson taylor moore jackson martin lee perez thompson white harris sanchez clark ramirez lewis robinson walker young
  allen king wright torres nguyen hill flores green adams nelson baker hall rivera campbell mitchell carter roberts gomez
  phillips evans turner diaz parker cruz edwards collins reyes stewart morris morales murphy cook rogers gutierrez ortiz
  morgan cooper peterson bailey howard ramos kim cox ward richardson watson brooks chavez wood bennett gray mendoza ruiz
  hughes price alvarez castillo sanders patel myers long ross foster jimenez powell jenkins perry sullivan bell coleman
  butler henderson barnes fisher vasquez simmons romero patterson hamilton graham reynolds griffin wallace west cole hayes
  bryant gibson ellis tran medina stevens murray ford castro marshall owens harrison mcdonald woods washington kennedy wells
  webb tucker burns crawford simpson porter gordon shaw snyder dixon hunt hicks holmes palmer wagner black boyd stone fox
  warren mills meyer rice schmidt daniels nichols weaver gardner payne dunn spencer hawkins arnold pierce hansen peters hart
  knight cunningham hudson carroll riley andrews berry hoffman chapman wheeler harper burke larson franklin carr lynch singh
  bishop oliver jensen gilbert sims howell wong reid fuller wang weber welch fields park yang little banks day walsh bowman
  schultz page case bond frost hood love rush schneider fischer becker hofmann koch bauer richter klein wolf neumann schwarz
  zimmermann braun hartmann lange krause lehmann`;

test("common names of people are no words, so that /users/ada stays /users/{} (MGT 6)", () => {
  const kept = `${givenNames} ${familyNames}`.split(/\s+/).filter((name) => routeTemplate(`/${name}`, none) !== "/{}");
  expect(kept).toEqual([]);
});

test("whatever is asked for, a template is made of known words, versions and placeholders only (MGT 6)", () => {
  const segment = fc.oneof(
    fc.constantFrom(...canaries, "orders", "v1", "order-items", "userProfiles", "report.csv"),
    fc.string({ maxLength: 40 }),
    fc.stringMatching(/^[a-z]{1,12}([-_.][a-z]{1,8}){0,2}$/),
    fc.uuid(),
    fc.emailAddress(),
    fc.base64String(),
    fc.integer().map(String),
  );
  fc.assert(
    fc.property(fc.array(segment, { maxLength: 14 }), (segments) => {
      const template = routeTemplate(`/${segments.join("/")}`, none);
      if (template === undefined) return;
      expect(isRouteTemplate(template, none)).toBe(true);
      for (const kept of template.split("/")) {
        if (kept === "" || kept === "{}" || /^v\d{1,2}(\.\d{1,2})?$/.test(kept)) continue;
        const letters = kept.replace(/\.[a-z]+$/, "").split(/[-_]|(?<=[a-z])(?=[A-Z])/);
        for (const part of letters) {
          const lower = part.toLowerCase();
          const isKnown = [lower, lower.slice(0, -1), lower.slice(0, -2), `${lower.slice(0, -3)}y`].some((word) =>
            commonRouteWords.has(word),
          );
          expect(isKnown, kept).toBe(true);
        }
      }
      expect(() => parseUriTemplate(uriTemplateOfRoute(template), "path")).not.toThrow();
    }),
    { numRuns: 500 },
  );
});

test("a template of somebody else is taken only with words that are known here", () => {
  expect(isRouteTemplate("/orders/{}/lines", none)).toBe(true);
  expect(isRouteTemplate("/orders/ada", none)).toBe(false);
  expect(isRouteTemplate("/orders/ada", own)).toBe(true);
  expect(isRouteTemplate("/orders/{ada}", none)).toBe(false);
  expect(isRouteTemplate("/orders/", none)).toBe(false);
  expect(isRouteTemplate(`/${"{}/".repeat(12)}{}`, none)).toBe(false);
  expect(uriTemplateOfRoute("/orders/{}/lines/{}")).toBe("/orders/{p2}/lines/{p4}");
});
