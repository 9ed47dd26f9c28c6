/**
 * Options of the original that decide who is trusted and that nodes here do not serve. INVARIANT: such an option is
 * refused, never ignored, since its user would believe in a protection that is not there.
 */
import { parseNodeArgument } from '../trust/light.ts';
import { openHomeOnce } from './access.ts';
import type { Flags } from './command.ts';
import { notSupported } from './commands/unsupported.ts';

const TRUST_FLAGS = [
  ['authorityIdentity', '--authority-identity'],
  ['authorityRoute', '--authority-route'],
  ['credentialScope', '--credential-scope'],
] as const;

/** Refuses the trust of an authority other than the project's. Throws `unsupported`. */
export function refuseForeignTrust(flags: Flags): void {
  for (const [name, flag] of TRUST_FLAGS)
    if (flags.text(name) !== undefined) throw notSupported(flag);
}

/** Refuses an identity that is not the node's own: a node speaks as one identity. Throws `unsupported`. */
export function refuseOtherIdentity(node: string, flags: Flags): void {
  const wanted = flags.text('identity');
  if (wanted === undefined) return;
  const own = openHomeOnce().nodes.get(parseNodeArgument(node)).identityName;
  if (wanted !== own) throw notSupported(`An identity other than the node's own (${own})`);
}
