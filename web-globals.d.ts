/* @peculiar/x509 takes its types from lib.dom; these make them the real ones of node:crypto instead of silent any. */
import type { webcrypto } from 'node:crypto';
declare global {
  type BufferSource = ArrayBufferView | ArrayBuffer;
  type Crypto = webcrypto.Crypto;
  type CryptoKey = webcrypto.CryptoKey;
  type CryptoKeyPair = webcrypto.CryptoKeyPair;
  type KeyUsage = webcrypto.KeyUsage;
  type JsonWebKey = webcrypto.JsonWebKey;
  type Algorithm = webcrypto.Algorithm;
  type AlgorithmIdentifier = webcrypto.AlgorithmIdentifier;
  type RsaHashedImportParams = webcrypto.RsaHashedImportParams;
  type EcKeyImportParams = webcrypto.EcKeyImportParams;
  type EcdsaParams = webcrypto.EcdsaParams;
  type RsaHashedKeyGenParams = webcrypto.RsaHashedKeyGenParams;
  type EcKeyGenParams = webcrypto.EcKeyGenParams;
}
