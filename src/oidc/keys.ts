/**
 * The keys that sign tokens: RSA, kept in the keyring. The newest signs; older ones stay published while a token that
 * they signed may still be held against them. INVARIANT: private keys leave this module only for the provider's own use.
 */
import { createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { calculateJwkThumbprint, type JWK } from 'jose';
import type { Fabric } from '../fabric/index.ts';
import type { Clock } from '../kernel/index.ts';
import type { Store } from '../store/index.ts';

const NAME = 'oidc/signing';
const MODULUS_BITS = 2_048;
/** Longer than any token lives that is checked without asking the server, and than clients keep a key set. */
const OVERLAP_MS = 30 * 24 * 3_600_000;
/** The event on which every server reads the keys anew. */
export const KEYS_EVENT = 'oidc.keys';

const generate = promisify(generateKeyPair);

export interface SigningKeyInfo {
  readonly kid: string;
  readonly createdAtMs: number;
  readonly isCurrent: boolean;
}

async function jwkOf(key: KeyObject): Promise<JWK> {
  const jwk = key.export({ format: 'jwk' });
  // The thumbprint (RFC 7638) is of the public part alone.
  const kid = await calculateJwkThumbprint(createPublicKey(key).export({ format: 'jwk' }));
  return { ...jwk, kid, use: 'sig', alg: 'RS256' };
}

export class ProviderKeys {
  readonly #store: Store;
  readonly #fabric: Fabric;
  readonly #clock: Clock;
  constructor(o: { readonly store: Store; readonly fabric: Fabric; readonly clock: Clock }) {
    this.#store = o.store;
    this.#fabric = o.fabric;
    this.#clock = o.clock;
  }

  /** Private keys as JWKs, newest first; the first key is made when there is none. */
  async load(): Promise<JWK[]> {
    if ((await this.#fabric.keyring.privateKeys(NAME)).length === 0) await this.#add();
    return Promise.all((await this.#published()).map(({ privateKey }) => jwkOf(privateKey)));
  }

  /** The keys that are published, without material. */
  async list(): Promise<SigningKeyInfo[]> {
    const keys = await this.#published();
    return Promise.all(
      keys.map(async ({ privateKey, createdAtMs }, i) => ({
        kid: String((await jwkOf(privateKey)).kid),
        createdAtMs,
        isCurrent: i === 0,
      })),
    );
  }

  /** Makes a new key, which signs from now on, on every server. */
  async rotate(): Promise<void> {
    await this.#add();
  }

  async #add(): Promise<void> {
    const { privateKey } = await generate('rsa', { modulusLength: MODULUS_BITS });
    await this.#store.write(async (trx) => {
      await this.#fabric.keyring.putPrivateKey(NAME, privateKey, trx);
      await this.#fabric.events.append(trx, { kind: KEYS_EVENT });
    });
  }

  /** A key is published until the time of an overlap after the one that followed it. */
  async #published(): Promise<readonly { privateKey: KeyObject; createdAtMs: number }[]> {
    const keys = await this.#fabric.keyring.privateKeys(NAME);
    const since = this.#clock.now() - OVERLAP_MS;
    return keys.filter((_, i) => {
      const successor = keys[i - 1];
      return successor === undefined || successor.createdAtMs > since;
    });
  }
}
