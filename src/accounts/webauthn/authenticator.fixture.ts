/** An authenticator in software for tests: it signs what it is asked to, right or wrong (WebAuthn §6, ES256). */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isoCBOR } from '@simplewebauthn/server/helpers';

const PRESENT_VERIFIED = 0x05;
const HAS_KEY = 0x40;

export interface Asked {
  /** Base64url. */
  readonly challenge: string;
  readonly origin: string;
  readonly rpId: string;
  readonly counter?: number;
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}
function clientData(type: string, { challenge, origin }: Asked): Buffer {
  return Buffer.from(JSON.stringify({ type, challenge, origin, crossOrigin: false }));
}
function authenticatorData({ rpId, counter = 0 }: Asked, flags: number): Buffer {
  const count = Buffer.alloc(4);
  count.writeUInt32BE(counter);
  return Buffer.concat([createHash('sha256').update(rpId).digest(), Buffer.from([flags]), count]);
}

export class SoftAuthenticator {
  readonly id: Buffer = randomBytes(32);
  readonly #key: KeyObject;
  readonly #cose: Uint8Array;
  userHandle: Buffer = Buffer.alloc(0);

  constructor() {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
    this.#key = privateKey;
    const fields: [number, number | Uint8Array][] = [
      ...([
        [1, 2],
        [3, -7],
        [-1, 1],
      ] as [number, number][]),
      [-2, new Uint8Array(Buffer.from(x, 'base64url'))],
      [-3, new Uint8Array(Buffer.from(y, 'base64url'))],
    ];
    this.#cose = isoCBOR.encode(new Map(fields));
  }

  get publicKey(): Buffer {
    return Buffer.from(this.#cose);
  }

  /** What a page sends for a new key. */
  register(asked: Asked): string {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(this.id.length);
    const authData = Buffer.concat([
      authenticatorData(asked, PRESENT_VERIFIED | HAS_KEY),
      Buffer.alloc(16),
      length,
      this.id,
      this.#cose,
    ]);
    const attestation = new Map<string, unknown>([
      ['fmt', 'none'],
      ['attStmt', new Map()],
      ['authData', new Uint8Array(authData)],
    ]);
    return this.#answer({
      attestationObject: text(isoCBOR.encode(attestation as Parameters<typeof isoCBOR.encode>[0])),
      clientDataJSON: text(clientData('webauthn.create', asked)),
    });
  }

  /** What a page sends at sign-in; `id` and `userHandle` may be another's. */
  login(asked: Asked, o: { readonly id?: Buffer; readonly userHandle?: Buffer } = {}): string {
    const data = authenticatorData(asked, PRESENT_VERIFIED);
    const client = clientData('webauthn.get', asked);
    const signed = Buffer.concat([data, createHash('sha256').update(client).digest()]);
    return this.#answer(
      {
        authenticatorData: text(data),
        clientDataJSON: text(client),
        signature: text(sign('sha256', signed, this.#key)),
        userHandle: text(o.userHandle ?? this.userHandle),
      },
      o.id,
    );
  }

  #answer(response: Readonly<Record<string, string>>, id: Buffer = this.id): string {
    return JSON.stringify({ id: text(id), rawId: text(id), type: 'public-key', response });
  }
}
