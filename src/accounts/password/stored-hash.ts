/**
 * What a stored password hash consists of, once read. Types alone.
 */

export interface BcryptHash {
  readonly kind: 'bcrypt';
  /** Two's exponent of the number of rounds. */
  readonly cost: number;
  /** In a spelling that the library knows: `$2a$`, `$2b$` or `$2y$`. */
  readonly encoded: string;
}
export interface Argon2Hash {
  readonly kind: 'argon2';
  readonly variant: 'argon2id' | 'argon2i';
  readonly memoryKiB: number;
  readonly iterations: number;
  readonly parallelism: number;
  readonly salt: Buffer;
  readonly key: Buffer;
}
export interface Pbkdf2Hash {
  readonly kind: 'pbkdf2';
  /** In OpenSSL's words. */
  readonly digest: string;
  readonly iterations: number;
  readonly salt: Buffer;
  readonly key: Buffer;
}
/** The costs of scrypt, by the letters of RFC 7914: N itself, not its logarithm. */
export interface ScryptCosts {
  readonly N: number;
  readonly r: number;
  readonly p: number;
}
export interface ScryptHash extends ScryptCosts {
  readonly kind: 'scrypt';
  readonly salt: Buffer;
  readonly key: Buffer;
}
/** Firebase's: what scrypt derives encrypts the project's signer key, and the ciphertext is kept. */
export interface FirescryptHash extends ScryptCosts {
  readonly kind: 'firescrypt';
  readonly salt: Buffer;
  readonly saltSeparator: Buffer;
  readonly signerKey: Buffer;
  readonly key: Buffer;
}
/** One round of a plain digest over a template, in which `{SALT}` and `{PASSWORD}` are replaced. */
export interface DigestHash {
  readonly kind: 'digest';
  readonly digest: 'md5' | 'sha1' | 'sha256' | 'sha512';
  readonly template: Buffer;
  readonly salt: Buffer;
  readonly key: Buffer;
}
export interface HmacHash {
  readonly kind: 'hmac';
  readonly digest: string;
  readonly secret: Buffer;
  readonly key: Buffer;
}
/** Of crypt(3). */
export interface CryptHash {
  readonly kind: 'crypt';
  readonly scheme: 'md5-crypt' | 'sha256-crypt' | 'sha512-crypt';
  readonly rounds: number;
  readonly salt: string;
  /** In crypt's own base 64. */
  readonly encoded: string;
}
export type StoredHash =
  | BcryptHash
  | Argon2Hash
  | Pbkdf2Hash
  | ScryptHash
  | FirescryptHash
  | DigestHash
  | HmacHash
  | CryptHash;
