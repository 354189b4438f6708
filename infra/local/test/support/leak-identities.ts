import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { type IdentitySnapshot, loadIdentityDir } from "@drawbridge/pki";
import { expectSuccess } from "../../src/stack/activate-fabric.ts";
import { runProgram } from "../../src/stack/child.ts";
import type { LocalStack } from "../../src/stack/local-stack.ts";
import { serviceNamed } from "../../src/stack/services.ts";

/** A second certificate of a service, beside the one that it uses: as if somebody had got at it. */
export async function leakIdentity(
  { layout }: LocalStack,
  options: { readonly service: string; readonly settings?: Readonly<Record<string, string>> },
): Promise<IdentitySnapshot> {
  const out = await mkdtemp(join(layout.root, "leaked-"));
  await expectSuccess(
    "bootstrap",
    runProgram({
      program: join(serviceNamed("cert-authority").directory, "src/bootstrap.ts"),
      env: {
        DRAWBRIDGE_DATABASE_URL_FILE: layout.secret("cert-authority.database-url"),
        DRAWBRIDGE_KEY_ENCRYPTION_KEY_FILE: layout.secret("cert-authority.kek"),
        DRAWBRIDGE_IDENTITIES_DIR: out,
        ...options.settings,
      },
    }),
  );
  return loadIdentityDir(join(out, options.service), new Date());
}
