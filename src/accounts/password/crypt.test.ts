import { describe, expect, it } from 'vitest';
import { crypt } from './crypt.ts';

const LONGER =
  'a very much longer text to encrypt.  This one even stretches over morethan one line.';
const SHORT_SALT = 'we have a short salt string but not a short password';

type Vector = readonly [
  scheme: Parameters<typeof crypt>[1]['scheme'],
  rounds: number,
  salt: string,
  password: string,
  key: string,
];

/** SHA-crypt.txt's own (public domain), and md5-crypt as glibc, libxcrypt and Kratos's tests have it. */
const VECTORS: readonly Vector[] = [
  ['md5-crypt', 1_000, 'TVEiiKNb', 'test', 'SN6/pUaRQS/E8Jh46As2C/'],
  ['md5-crypt', 1_000, '', 'test', 'whuMjZj.HMFoaTaZRRtkO0'],
  ['md5-crypt', 1_000, 'saltstri', 'Hello world!', 'YMyguxXMBpd2TEZ.vS/3q1'],
  ['md5-crypt', 1_000, 'anotherl', LONGER, 'K6Vw1g4o5xCrk48TD5civ.'],
  [
    'sha256-crypt',
    5_000,
    'saltstring',
    'Hello world!',
    '5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5',
  ],
  [
    'sha256-crypt',
    10_000,
    'saltstringsaltst',
    'Hello world!',
    '3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA',
  ],
  [
    'sha256-crypt',
    5_000,
    'toolongsaltstrin',
    'This is just a test',
    'Un/5jzAHMgOGZ5.mWJpuVolil07guHPvOW8mGRcvxa5',
  ],
  [
    'sha256-crypt',
    1_400,
    'anotherlongsalts',
    LONGER,
    'Rx.j8H.h8HjEDGomFU8bDkXm3XIUnzyxf12oP84Bnq1',
  ],
  ['sha256-crypt', 77_777, 'short', SHORT_SALT, 'JiO1O3ZpDAxGJeaDIuqCoEFysAe1mZNJRs3pw0KQRd/'],
  [
    'sha256-crypt',
    123_456,
    'asaltof16chars..',
    'a short string',
    'gP3VQ/6X7UUEW3HkBn2w1/Ptq2jxPyzV/cZKmF/wJvD',
  ],
  [
    'sha512-crypt',
    5_000,
    'saltstring',
    'Hello world!',
    'svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1',
  ],
  [
    'sha512-crypt',
    10_000,
    'saltstringsaltst',
    'Hello world!',
    'OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.',
  ],
  [
    'sha512-crypt',
    1_400,
    'anotherlongsalts',
    LONGER,
    'POfYwTEok97VWcjxIiSOjiykti.o/pQs.wPvMxQ6Fm7I6IoYN3CmLs66x9t0oSwbtEW7o7UmJEiDwGqd8p4ur1',
  ],
  [
    'sha512-crypt',
    77_777,
    'short',
    SHORT_SALT,
    'WuQyW2YR.hBNpjjRhpYD/ifIw05xdfeEyQoMxIXbkvr0gge1a1x3yRULJ5CCaUeOxFmtlcGZelFl5CxtgfiAc0',
  ],
];

describe('crypt', () => {
  it.each(VECTORS)('computes %s of %i rounds with salt "%s" as published', (...vector) => {
    const [scheme, rounds, salt, password, key] = vector;
    expect(crypt(Buffer.from(password), { scheme, rounds, salt })).toBe(key);
  });

  it('takes passwords that are empty or no text', () => {
    for (const scheme of ['md5-crypt', 'sha256-crypt', 'sha512-crypt'] as const) {
      const parameters = { scheme, rounds: 1_000, salt: 'salt' };
      const keys = [Buffer.alloc(0), Buffer.alloc(1), Buffer.alloc(300, 0xff)].map((password) =>
        crypt(password, parameters),
      );
      expect(new Set(keys).size).toBe(3);
    }
  });
});
