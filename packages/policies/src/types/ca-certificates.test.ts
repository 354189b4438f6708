import { expect, test } from "vitest";
import { policyCatalogue } from "../catalogue.ts";
import { problemsOf } from "../testing/harness.ts";
import { validatePolicy } from "../validate-policy.ts";

const pem = (base64: string): string => `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`;

/** Good until 2120. */
const ca = pem(
  "MIIBLDCB06ADAgECAhBxS3BOsW5Sla23g0Ikr+LJMAoGCCqGSM49BAMCMA0xCzAJBgNVBAMTAmNhMCAXDTIwMDEwMTAwMDAwMFoY" +
    "DzIxMjAwMTAxMDAwMDAwWjANMQswCQYDVQQDEwJjYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABCojOUE1pzZd0aWpJC0UufiL" +
    "S44+3R1Xr5USCgAYU/s04jkJgzxikjy4UAb47bbljvuF6ZWnLiVX2CUcLK1jMX6jEzARMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZI" +
    "zj0EAwIDSAAwRQIgFnAaSBwsts8n+SgdpPYAa38E9cD1F+BlAFnJ0SAeOJMCIQDoPUbAM5z2qQP/YrVulMecc8B94EbaHFnwrXFd" +
    "W7YIwQ==",
);
/** A CA until 2021. */
const expired = pem(
  "MIIBMzCB26ADAgECAhBpJld1v+hn+cCyfbKV1/4OMAoGCCqGSM49BAMCMBIxEDAOBgNVBAMTB2V4cGlyZWQwHhcNMjAwMTAxMDAw" +
    "MDAwWhcNMjEwMTAxMDAwMDAwWjASMRAwDgYDVQQDEwdleHBpcmVkMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAETs2kG4t7l0Cn" +
    "9hlWWrOmWkukPp4Gx1T2COeB0EXezLomrGofg6O/yCJjOZIKtZd7KnBQ06qZ5W0Z/T9tXDmg0KMTMBEwDwYDVR0TAQH/BAUwAwEB" +
    "/zAKBggqhkjOPQQDAgNHADBEAiAM+uCAjwQrK++JDDOfBthyc9Ru1jrbS2j667JX++wJ9AIgB/D9DYjTH0xrGe4aR8/sK2gm/obv" +
    "PdW5+wI/dGqKRU8=",
);
/** Good until 2120, of no CA. */
const leaf = pem(
  "MIIBHjCBxqADAgECAhAma7vHCtB7rLdxQJp4A+fsMAoGCCqGSM49BAMCMA8xDTALBgNVBAMTBGxlYWYwIBcNMjAwMTAxMDAwMDAw" +
    "WhgPMjEyMDAxMDEwMDAwMDBaMA8xDTALBgNVBAMTBGxlYWYwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASW27azG4JjmKrbJyXG" +
    "3opmo7lsrCSwS+nHWwKneAXoMQu0Gdn6N76CbLH5lFHOgRGSICJS44vy+anPYQgCiN+aowIwADAKBggqhkjOPQQDAgNHADBEAh8F" +
    "bns5bPUWeWTQgIMEEhGbyFh2cGR15BgJdzZKdbi9AiEA3u22oQbWvHbL/1cC4gp1mXXYGnwymWN0EE5bUScXHsw=",
);

const jwt = (caCertificates: readonly string[]) => ({
  issuers: ["https://issuer.example.com"],
  keys: { source: "jwks", url: "https://issuer.example.com/keys", caCertificates },
  algorithms: ["ES256"],
  audiences: ["orders"],
});
const introspection = (caCertificates: readonly string[]) => ({
  endpoint: "https://issuer.example.com/introspect",
  clientId: "gateway",
  clientSecret: "secret",
  caCertificates,
});
const openid = (caCertificates: readonly string[]) => ({
  issuer: "https://issuer.example.com",
  audiences: ["orders"],
  caCertificates,
});
const types = [
  ["jwt-validation", jwt, "keys.caCertificates"],
  ["oauth2-introspection", introspection, "caCertificates"],
  ["openid-connect", openid, "caCertificates"],
] as const;

test.each(types)(
  "%s takes up to ten CA certificates, and names what is wrong with each other one",
  (name, of, field) => {
    const type = policyCatalogue.get(name);
    if (!type) throw new Error("no such type");
    expect(problemsOf(type, of([ca, expired]))).toEqual([]);
    const bad = [
      ["nonsense", "is no certificate in PEM"],
      [ca.replace("MIIB", "MIIC"), "is no certificate in PEM"],
      [leaf, "is no certificate of a CA (basicConstraints)"],
      [ca + ca, "holds more than one: give each certificate as an item of its own"],
      [`${ca}-----BEGIN PRIVATE KEY-----\n`, "holds a private key: give the certificate alone"],
    ] as const;
    for (const [text, problem] of bad) expect(problemsOf(type, of([ca, text]))).toEqual([`${field}.1: ${problem}`]);
    expect(validatePolicy(name, of(Array.from({ length: 11 }, () => ca))).problems).toEqual([
      { field, message: "must have at most 10 items" },
    ]);
    expect(validatePolicy(name, of([])).problems).toEqual([{ field, message: "must have at least 1 items" }]);
  },
);

test.each(types)(
  "%s is not saved with a CA that has expired; one that expires later closes no API",
  (name, of, field) => {
    const message = "has expired, on 2021-01-01T00:00:00.000Z";
    expect(validatePolicy(name, of([ca, expired]), new Date("2021-01-01")).problems).toEqual([
      { field: `${field}[1]`, message },
    ]);
    expect(validatePolicy(name, of([ca, expired]), new Date("2020-12-31"))).toEqual({ ok: true, problems: [] });
    expect(validatePolicy(name, of([ca, expired]))).toEqual({ ok: true, problems: [] });
  },
);
