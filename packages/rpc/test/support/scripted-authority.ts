import { RevocationServiceService, type Revocation } from "@drawbridge/contracts/certs/v1/revocation_service";
import { IdentityHolder } from "@drawbridge/pki";
import { createGrpcServer, defineGrpcService } from "@drawbridge/rpc";
import { createTestLogger, type TestCa } from "@drawbridge/testkit";

/** cert-authority's list of revocations on a real port; the test writes it. */
export interface ScriptedAuthority extends AsyncDisposable {
  readonly address: string;
  readonly requests: { afterPosition: bigint; listId: string }[];
  listId: string;
  pageSize: number;
  revoke(parts: Partial<Revocation>): void;
  /** As a restore of the database does: other entries, at the same positions. */
  restore(listId: string): void;
  stop(): Promise<void>;
  /** On the same port. */
  start(): Promise<void>;
}

const host = "127.0.0.1";

export async function startScriptedAuthority(ca: TestCa): Promise<ScriptedAuthority> {
  const { logger } = createTestLogger();
  const identity = new IdentityHolder(await ca.issueService("cert-authority"));
  let entries: Revocation[] = [];
  let port = 0;
  const create = () =>
    createGrpcServer({
      name: "cert-authority",
      listen: { host, port },
      identity,
      clientCertificate: "required",
      services: [
        defineGrpcService(RevocationServiceService, {
          allow: { listRevocations: ["any-service"] },
          handlers: {
            listRevocations: async ({ afterPosition, listId }) => {
              authority.requests.push({ afterPosition, listId });
              const after = listId === authority.listId ? afterPosition : 0n;
              const rest = entries.filter(({ position }) => position > after);
              const revocations = rest.slice(0, authority.pageSize);
              return {
                revocations,
                nextPosition: revocations.at(-1)?.position ?? after,
                more: rest.length > revocations.length,
                listId: authority.listId,
              };
            },
          },
        }),
      ],
      logger,
    });
  let server = create();
  const authority: ScriptedAuthority = {
    get address() {
      return `${host}:${port}`;
    },
    requests: [],
    listId: "list-1",
    pageSize: 1_000,
    revoke: (parts) => {
      const position = (entries.at(-1)?.position ?? 0n) + 1n;
      entries.push({
        position,
        serialNumber: "",
        fingerprintSha256: "",
        spiffeId: "",
        fabricId: "",
        revokedAt: new Date(),
        notAfter: new Date(Date.now() + 86_400_000),
        reason: "key leaked",
        ...parts,
      });
    },
    restore: (listId) => {
      entries = [];
      authority.listId = listId;
    },
    stop: () => server.stop(AbortSignal.abort()),
    start: async () => {
      server = create();
      await server.start(new AbortController().signal);
      port = server.address().port;
    },
    [Symbol.asyncDispose]: () => server.stop(AbortSignal.abort()),
  };
  await authority.start();
  return authority;
}
