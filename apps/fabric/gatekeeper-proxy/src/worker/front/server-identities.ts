import { constants } from "node:crypto";
import type { Socket } from "node:net";
import { createSecureContext, type SecureContext, type SecureContextOptions } from "node:tls";
import type { CertificatePair, CertificatesByName, Listener } from "../../workers/protocol.ts";
import { createHostTable, hostName, type FindByHost } from "../route/host-table.ts";

/** Forward secrecy and authenticated encryption only, from TLS 1.2 on; "auto" takes all curves of OpenSSL's default. */
export const tlsDefaults: SecureContextOptions = {
  minVersion: "TLSv1.2",
  ciphers: [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
  ].join(":"),
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
};

export function isByName(tls: Listener["tls"]): tls is CertificatesByName {
  return tls !== undefined && "certificates" in tls;
}

/** Key and chain for the server as a whole: whoever names nobody gets it. */
export function serverPair(tls: CertificatePair | CertificatesByName): SecureContextOptions {
  const pair = isByName(tls) ? tls.fallback : tls;
  return { ...tlsDefaults, ...(pair && { cert: pair.certificateChainPem, key: pair.privateKeyPem }) };
}

/** Certificates by the name that a client asks for (SNI, RFC 6066 3). Connections keep what they began with. */
export class ServerIdentities {
  #find: FindByHost<SecureContext> = () => undefined;
  #fallback: SecureContext | undefined;
  #contexts = new Map<string, SecureContext>();

  constructor(certificates: CertificatesByName) {
    this.update(certificates);
  }

  update({ certificates, fallback }: CertificatesByName): void {
    const before = this.#contexts;
    const contexts = new Map<string, SecureContext>();
    const contextOf = (pair: CertificatePair): SecureContext => {
      const key = `${pair.certificateChainPem}\n${pair.privateKeyPem}`;
      const context =
        contexts.get(key) ??
        before.get(key) ??
        createSecureContext({ ...tlsDefaults, cert: pair.certificateChainPem, key: pair.privateKeyPem });
      contexts.set(key, context);
      return context;
    };
    this.#find = createHostTable(
      certificates.flatMap((pair) => pair.names.map((name) => [name, contextOf(pair)] as const)),
    );
    this.#fallback = fallback && contextOf(fallback);
    this.#contexts = contexts;
  }

  find(serverName: string): SecureContext | undefined {
    return this.#find(hostName(serverName)) ?? this.#fallback;
  }
}

/** A fatal alert of type unrecognized_name in a record of its own (RFC 8446 5.1, 6.2); node has no call for it. */
const unrecognizedName = Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 112]);

/** End a handshake before its first answer. */
export function refuseServerName(socket: Socket): void {
  socket.end(unrecognizedName);
}
