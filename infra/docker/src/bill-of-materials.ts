import type { InstalledPackage } from "./production-packages.ts";

/** CycloneDX 1.6 (ECMA-424): what is in an image beside our own code and the base image, with versions and licences. */
export function billOfMaterials(
  app: { readonly name: string; readonly version: string },
  packages: readonly InstalledPackage[],
): object {
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      component: {
        type: "application",
        name: app.name,
        version: app.version,
        licenses: [{ expression: "Apache-2.0" }],
      },
    },
    components: packages.map(({ name, version, license }) => ({
      type: "library",
      name,
      version,
      purl: `pkg:npm/${name.replace("@", "%40")}@${version}`,
      ...(license === undefined ? {} : { licenses: [{ expression: license }] }),
    })),
  };
}
