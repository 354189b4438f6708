import { expect, test } from "vitest";
import { findAptSource } from "./apt-source.ts";

const stanzas = `Types: deb
# a comment
URIs: http://archive.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/archive.gpg

Types: deb
URIs: http://archive.example/security
Suites: bookworm-security
Components: main
`;

test("finds the distribution's own archive among stanzas", () => {
  expect(findAptSource([stanzas], "bookworm")).toEqual({
    uri: "http://archive.example/debian",
    suite: "bookworm",
    components: ["main"],
  });
});

test("finds it among one-line sources, past options, comments and third parties", () => {
  const lines = `# deb http://old.example/debian bookworm main
deb-src http://archive.example/debian bookworm main
deb https://third.example/apt cloud-sdk-bookworm main
deb [arch=amd64 signed-by=/x.gpg] https://archive.example/debian bookworm main contrib # fast
`;
  expect(findAptSource([lines], "bookworm")).toEqual({
    uri: "https://archive.example/debian",
    suite: "bookworm",
    components: ["main", "contrib"],
  });
});

test("leaves out what is switched off", () => {
  expect(findAptSource([stanzas.replace("Types: deb", "Enabled: no\nTypes: deb")], "bookworm")).toBeUndefined();
  expect(findAptSource([], "bookworm")).toBeUndefined();
});
