/** Where a server is reached: the addresses that it tells, and the hosts in them. */

import { networkInterfaces } from 'node:os';

/** The hosts of a list of `host:port`. */
export function hostsOf(addresses: readonly string[]): string[] {
  return addresses.map((a) => a.slice(0, a.lastIndexOf(':')).replace(/^\[|\]$/g, ''));
}

/** The addresses of this machine when the node port listens on all of them. */
export function ownAddresses(host: string, port: number): string[] {
  if (host !== '0.0.0.0' && host !== '::') return [`${host}:${port}`];
  const found = Object.values(networkInterfaces())
    .flat()
    .flatMap((i) =>
      i === undefined || i.internal || i.family !== 'IPv4' ? [] : [`${i.address}:${port}`],
    );
  return [...found, `127.0.0.1:${port}`];
}
