import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import tls, { type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createIdentity,
  createServerCa,
  exportPrivateKey,
  generateLeafKey,
  issueServerCertificate,
  verifyChangeHistory,
} from '../trust/index.ts';
import {
  checkProof,
  PREAMBLE_BYTES,
  PREAMBLE_HEAD,
  prove,
  SPLICED_BYTE,
  TLS_FIRST_BYTE,
  TOKEN_BYTES,
} from './wire.ts';

type Pair = readonly [client: TLSSocket, server: TLSSocket];
let server: tls.Server;
const sockets: TLSSocket[] = [];
const keys = createIdentity();
const { publicKey } = verifyChangeHistory(keys.identity.changeHistory);
const { publicKeySpki: spki } = generateLeafKey();

async function connection(): Promise<Pair> {
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const accepted = once(server, 'secureConnection');
  const client = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  await once(client, 'secureConnect');
  const [there]: TLSSocket[] = await accepted;
  if (there === undefined) throw new Error('no connection');
  sockets.push(client, there);
  return [client, there];
}

beforeAll(async () => {
  const ca = await createServerCa('s1');
  const leaf = generateLeafKey();
  const cert = await issueServerCertificate({
    ca,
    names: ['localhost'],
    leaf,
    nowMs: Date.now(),
    validityMs: 3_600_000,
  });
  server = tls.createServer({
    key: exportPrivateKey(leaf.privateKey),
    cert,
    minVersion: 'TLSv1.3',
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => {
  for (const socket of sockets) socket.destroy();
  server.close();
});

describe('the proof of an identity on a connection', () => {
  it('holds at the other end of that very connection', async () => {
    const [client, there] = await connection();
    const proof = prove(client, 'enroll', spki, keys.privateKey);
    expect(checkProof(there, 'enroll', spki, publicKey, proof)).toBe(true);
  });
  it('holds on no other connection: nobody can pass it on', async () => {
    const [[client], [, elsewhere]] = [await connection(), await connection()];
    const proof = prove(client, 'enroll', spki, keys.privateKey);
    expect(checkProof(elsewhere, 'enroll', spki, publicKey, proof)).toBe(false);
  });
  it('holds for no other purpose, leaf key or identity', async () => {
    const [client, there] = await connection();
    const proof = prove(client, 'enroll', spki, keys.privateKey);
    const { publicKeySpki } = generateLeafKey();
    const stranger = verifyChangeHistory(createIdentity().identity.changeHistory).publicKey;
    expect([
      checkProof(there, 'renew', spki, publicKey, proof),
      checkProof(there, 'enroll', publicKeySpki, publicKey, proof),
      checkProof(there, 'enroll', spki, stranger, proof),
    ]).toEqual([false, false, false]);
  });
  it('does not hold altered, cut, lengthened or made up', async () => {
    const [client, there] = await connection();
    const proof = prove(client, 'enroll', spki, keys.privateKey);
    const wrong = [
      Buffer.alloc(0),
      randomBytes(64),
      proof.subarray(1),
      Buffer.concat([proof, Buffer.alloc(1)]),
    ];
    for (let at = 0; at < proof.length; at++) {
      const altered = Buffer.from(proof);
      altered[at] = (altered[at] ?? 0) ^ (1 << (at % 8));
      wrong.push(altered);
    }
    for (const p of wrong) expect(checkProof(there, 'enroll', spki, publicKey, p)).toBe(false);
  });
});

it('the two protocols of the node port differ in their first byte', () => {
  expect(PREAMBLE_HEAD[0]).not.toBe(TLS_FIRST_BYTE);
  expect(PREAMBLE_HEAD.toString('latin1')).toBe('PSTN\u0001');
  expect([PREAMBLE_BYTES, TOKEN_BYTES]).toEqual([37, 32]);
  expect(SPLICED_BYTE).not.toBe(TLS_FIRST_BYTE);
});
