import { type IdentitySnapshot, loadIdentityDir } from "@drawbridge/pki";

/** What lies in a service's identity folder now. */
export function readServiceIdentity(folder: string): Promise<IdentitySnapshot> {
  return loadIdentityDir(folder, new Date());
}
