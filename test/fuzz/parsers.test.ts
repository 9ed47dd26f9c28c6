/** Texts and bytes from strangers: each is read or refused with `invalid`, quickly, whatever it is. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PosternError } from '../../src/kernel/index.ts';
import {
  createIdentity,
  encodeTicket,
  evaluatePolicy,
  parseAddress,
  parsePolicy,
  parseRoute,
  parseTicket,
  peerEnvironment,
  rotateIdentity,
  verifyChangeHistory,
} from '../../src/trust/light.ts';
import { Dice, FUZZ_SEED, fuzzMs } from './dice.ts';

/** Far above what the longest text takes, far below what a runaway takes. */
const ONE_MS_MAX = 2_000;

function corpus(...names: string[]): Buffer[] {
  return names.flatMap((name) =>
    readFileSync(resolve(import.meta.dirname, '../corpus', name), 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => Buffer.from(line.split(' ==> ')[0] ?? '')),
  );
}
const keys = createIdentity();
const rotated = rotateIdentity(keys, Date.now() + 1000);
const ticket = encodeTicket({
  oneTimeCode: 'a'.repeat(64),
  server: { addresses: ['127.0.0.1:4480'], caFingerprint: 'c'.repeat(64) },
  project: {
    id: '11111111-2222-4333-8444-555555555555',
    name: 'default',
    authorityIdentifier: keys.identity.identifier,
    authorityFingerprint: 'f'.repeat(64),
  },
});
const env = peerEnvironment(
  { identifier: 'I00', hasCredential: true, attributes: { component: 'web' } },
  'db',
);
const grown = (sample: Buffer): Buffer => Buffer.concat(Array.from({ length: 200 }, () => sample));
const policies = corpus('policy_valid.txt', 'policy_invalid.txt');

describe('fuzzed', () => {
  it.each<[string, Buffer[], (bytes: Buffer) => unknown]>([
    [
      'policies',
      [...policies, ...policies.slice(0, 20).map(grown)],
      (b) => evaluatePolicy(parsePolicy(b.toString()), env),
    ],
    ['routes', corpus('routes_valid.txt', 'routes_invalid.txt'), (b) => parseRoute(b.toString())],
    [
      'addresses',
      ['[::1]:80', 'db:1', '80'].map((a) => Buffer.from(a)),
      (b) => parseAddress(b.toString()),
    ],
    ['tickets as hex', [Buffer.from(ticket)], (b) => parseTicket(b.toString())],
    ['tickets as JSON', [Buffer.from(ticket, 'hex')], (b) => parseTicket(b.toString('hex'))],
    [
      'change histories',
      [keys.identity.changeHistory, rotated.identity.changeHistory],
      (b) => verifyChangeHistory(b),
    ],
  ])(
    '%s are read or refused',
    (_what, samples, read) => {
      const dice = new Dice(FUZZ_SEED);
      const end = performance.now() + fuzzMs(1_500);
      let slowestMs = 0;
      let runs = 0;
      for (; performance.now() < end; runs++) {
        const bytes = dice.mutate(samples);
        const startedMs = performance.now();
        try {
          read(bytes);
        } catch (reason) {
          if (!(reason instanceof PosternError) || reason.code !== 'invalid')
            throw new Error(`run ${runs}: ${bytes.toString('hex')}`, { cause: reason });
        }
        slowestMs = Math.max(slowestMs, performance.now() - startedMs);
      }
      expect(runs).toBeGreaterThan(100);
      expect(slowestMs).toBeLessThan(ONE_MS_MAX);
    },
    fuzzMs(1_500) + 30_000,
  );
});
