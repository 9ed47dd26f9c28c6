import { hash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { assertImportable, readHash } from './formats.ts';
import { createPasswordHasher } from './hasher.ts';

const b64 = (text: string): string => Buffer.from(text).toString('base64');
const hasher = createPasswordHasher({
  algorithm: 'bcrypt',
  bcryptCost: 4,
  argon2: { memoryKiB: 64, iterations: 1, parallelism: 1, saltLength: 16, keyLength: 32 },
});
const hmac = (digest: string, hex: string): string => `$hmac-${digest}$${b64(hex)}$MTIzNDU=`;
const FIRE_KEY =
  'xbSou7FOl6mChCyzpCPIQ7tku7nsQMTFtyOZSXXd7tjBa4NtimOx7v42Gv2SfzPQu1oxM2/k4SsbOu73wlKe1A==';
const FIRE_SIGNER =
  'YE0dO4bwD4JnJafh6lZZfkp1MtKzuKAXQcDCJNJNyeCHairWHKENOkbh3dzwaCdizzOspwr/FITUVlnOAwPKyw==';
const SHA_SALT = '$NW9wbWtnejAzcg==$';

/** Hashes that Ory Kratos's own tests hold to be valid: they must be taken over as they are. */
const VECTORS: readonly (readonly [name: string, password: string, stored: string])[] = [
  ['bcrypt', 'test', '$2a$12$o6hx.Wog/wvFSkT/Bp/6DOxCtLRTDj7lm9on9suF/WaCGNVHbkfL6'],
  ['argon2id', 'test', '$argon2id$v=19$m=32,t=2,p=4$cm94YnRVOW5jZzFzcVE4bQ$MNzk5BtR2vUhrp6qQEjRNw'],
  [
    'argon2id with a long key',
    'test',
    '$argon2id$v=19$m=32,t=5,p=4$cm94YnRVOW5jZzFzcVE4bQ$fBxypOL0nP/zdPE71JtAV71i487LbX3fJI5PoTN6Lp4',
  ],
  [
    'argon2i',
    'test',
    '$argon2i$v=19$m=65536,t=3,p=4$kk51rW/vxIVCYn+EG4kTSg$NyT88uraJ6im6dyha/M5jhXvpqlEdlS/9fEm7ScMb8c',
  ],
  [
    'pbkdf2-sha256',
    'test',
    '$pbkdf2-sha256$i=100000,l=32$1jP+5Zxpxgtee/iPxGgOz0RfE9/KJuDElP1ley4VxXc$QJxzfvdbHYBpydCbHoFg3GJEqMFULwskiuqiJctoYpI',
  ],
  [
    'pbkdf2-sha512',
    'test',
    '$pbkdf2-sha512$i=100000,l=32$bdHBpn7OWOivJMVJypy2UqR0UnaD5prQXRZevj/05YU$+wArTfv1a+bNGO1iZrmEdVjhA+lL11wF4/IxpgYfPwc',
  ],
  [
    'pbkdf2-sha224, which is SHA-3',
    'test',
    '$pbkdf2-sha224$i=100000,l=32$A2nzbFd+wwzPSb+TqkF5Pw$9M4GM2yOYw/fZvsvQbF/0Ec8JO2u9O1MYRTfrDimX6o',
  ],
  [
    'pbkdf2-sha384, which is SHA-3',
    'test',
    '$pbkdf2-sha384$i=100000,l=32$xDInuz7Y/DPzZUnCaQXJmg$7ICaEa6jEqxbbCBbv4YzrBf39KYNAtc3Bj0QWKeB3Ck',
  ],
  [
    'scrypt',
    'test',
    '$scrypt$ln=16384,r=8,p=1$2npRo7P03Mt8keSoMbyD/tKFWyUzjiQf2svUaNDSrhA=$MiCzNcIplSMqSBrm4HckjYqYhaVPPjTARTzwB1cVNYE=',
  ],
  [
    'firescrypt',
    '8x4WjoDbSxJZdR',
    `$firescrypt$ln=14,r=8,p=1$sPtDhWcd1MfdAw==$${FIRE_KEY}$Bw==$${FIRE_SIGNER}`,
  ],
  ['SSHA', 'test123', '{SSHA}JFZFs0oHzxbMwkSJmYVeI8MnTDy/276a'],
  ['SSHA256', 'test123', '{SSHA256}czO44OTV17PcF1cRxWrLZLy9xHd7CWyVYplr1rOhuMlx/7IK'],
  [
    'SSHA512',
    'test123',
    '{SSHA512}xPUl/px+1cG55rUH4rzcwxdOIPSB2TingLpiJJumN2xyDWN4Ix1WQG3ihnvHaWUE8MYNkvMi5rf0C9NYixHsE6Yh59M=',
  ],
  ['sha1', 'test', `$sha1$pf=e1NBTFR9e1BBU1NXT1JEfQ==${SHA_SALT}2qU2SGWP8viTM1md3FiI3+rjWXQ=`],
  [
    'sha1 with a prefix',
    'test',
    `$sha1$pf=Pz9zdGF0aWNQcmVmaXg/P3tTQUxUfXtQQVNTV09SRH0=${SHA_SALT}SAAxMUn7jxckQXkBmsVF0nHwqso=`,
  ],
  [
    'sha1 with the salt last',
    'test',
    `$sha1$pf=e1BBU1NXT1JEfSUle1NBTFR9${SHA_SALT}YX0AW8/MW5ojUlnzTaR43ucHCog=`,
  ],
  [
    'sha1 between dollars',
    'test',
    `$sha1$pf=JHtQQVNTV09SRH0ke1NBTFR9JA==${SHA_SALT}iE5n1yjX3oAdxRHwZ4u57I4LpQo=`,
  ],
  [
    'sha256',
    'test',
    `$sha256$pf=e1NBTFR9JCR7UEFTU1dPUkR9${SHA_SALT}HokCOi9OtiZaZRvnkgemV3B4UUHpI7kA8zq/EZWH2NY=`,
  ],
  [
    'sha512',
    'test',
    `$sha512$pf=e1NBTFR9e1BBU1NXT1JEfQ==${SHA_SALT}6ctpVuApMNp0CgBXcdHw/GC562eFEFGr4gpgANX8ZYsX+j5B19IkdmOY2Fytsz3QUwSWdGcUjbqwgJGTH0UYvw==`,
  ],
  ['md5', 'test', '$md5$CY9rzUYh03PK3k6DJie09g=='],
  [
    'md5 with salt',
    'ory',
    '$md5$pf=e1BBU1NXT1JEfXtTQUxUfSQ/$MTIzNDU2Nzg5$8PhwWanVRnpJAFK4NUjR0w==',
  ],
  ['md5-crypt', 'test', '$md5-crypt$TVEiiKNb$SN6/pUaRQS/E8Jh46As2C/'],
  ['md5-crypt without salt', 'test', '$md5-crypt$$whuMjZj.HMFoaTaZRRtkO0'],
  [
    'sha256-crypt',
    'Hello world!',
    '$sha256-crypt$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5',
  ],
  [
    'sha256-crypt with rounds',
    'ory',
    '$sha256-crypt$rounds=535000$awpcR7lDlnK/S7WE$vHU7KkQwyjfGz6u4MUi7.lH9htK/l63HloTsX1ZMz.3',
  ],
  [
    'sha512-crypt with rounds',
    'test',
    '$sha512-crypt$rounds=656000$3LVbIAVxR//cRajw$uuNasMW.RYxlGzIRFU1Was70BPSa933AjxhZIGJdJBOlqJAHlgqa0yuiuq5JHF/ryNGryJkj87G9i3G2HPSXg1',
  ],
  ['hmac-md5', 'test', hmac('md5', 'fe8697f742d080405d1270e6163316f9')],
  ['hmac-sha1', 'test', hmac('sha1', '432671e52cf6a0fb6cd16641b0061bf008a35c90')],
  [
    'hmac-sha224',
    'test',
    hmac('sha224', 'be0bf33a04de414b4360a6b298f6b2c289d2397050d1c39bb5f03294'),
  ],
  [
    'hmac-sha256',
    'test',
    hmac('sha256', 'e031ba1c2938b1d283f919a1df9ac66c192a7dd74432d5fd4ada299941ba109f'),
  ],
];

describe('an imported hash', () => {
  it.each(VECTORS)('of %s verifies its password and no other', async (_name, password, stored) => {
    expect(() => assertImportable(stored)).not.toThrow();
    expect(await hasher.verify(password, stored)).toBe(true);
    expect(await hasher.verify(`${password}x`, stored)).toBe(false);
    expect(hasher.needsRehash(stored)).toBe(!stored.startsWith('$2'));
  });

  it('of bcrypt is taken with every letter but that of the faulty library', async () => {
    const own = await hasher.hash('test');
    for (const prefix of ['$2$', '$2a$', '$2b$', '$2y$', '$2z$'])
      expect(await hasher.verify('test', own.replace('$2b$', prefix)), prefix).toBe(true);
    expect(readHash(own.replace('$2b$', '$2x$'))).toHaveProperty('problem');
  });

  it('with binary salt in a template is used byte by byte, and its words are not replaced again', async () => {
    // SHA-256 of "{PASSWORD}", 0xff, "|", "secret": the salt itself reads like a placeholder.
    const salt = Buffer.concat([Buffer.from('{PASSWORD}'), Buffer.from([0xff])]);
    const key = hash('sha256', Buffer.concat([salt, Buffer.from('|secret')]), 'base64');
    const stored = `$sha256$pf=${b64('{SALT}|{PASSWORD}')}$${salt.toString('base64')}$${key}`;
    expect(await hasher.verify('secret', stored)).toBe(true);
  });
});
