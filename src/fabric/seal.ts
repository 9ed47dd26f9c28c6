/**
 * Sealing with AES-256-GCM: one format byte, 12 bytes of random nonce, 16 bytes of tag, the ciphertext. The context
 * (what the bytes are for) is authenticated, so that sealed bytes open only in the place that they were sealed for.
 */
import { type CipherKey, createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

const FORMAT = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEAD_BYTES = 1 + NONCE_BYTES + TAG_BYTES;

/** Seals bytes under a 32-byte key for a context. A KeyObject that is kept costs a third of bytes, which are made one each time. */
export function seal(key: CipherKey, context: string, plain: Uint8Array): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(Buffer.from(context));
  const body = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([Buffer.of(FORMAT), nonce, cipher.getAuthTag(), body]);
}

/** Opens what `seal` made; undefined when the key or context is another or the bytes were altered. */
export function unseal(key: CipherKey, context: string, sealed: Uint8Array): Buffer | undefined {
  const bytes = Buffer.from(sealed);
  if (bytes.length < HEAD_BYTES || bytes[0] !== FORMAT) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(1, 1 + NONCE_BYTES));
  decipher.setAAD(Buffer.from(context));
  decipher.setAuthTag(bytes.subarray(1 + NONCE_BYTES, HEAD_BYTES));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(HEAD_BYTES)), decipher.final()]);
  } catch {
    return undefined;
  }
}
