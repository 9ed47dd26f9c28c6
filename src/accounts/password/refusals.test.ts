import { describe, expect, it } from 'vitest';
import { assertImportable, readHash } from './formats.ts';

const b64 = (text: string): string => Buffer.from(text).toString('base64');
const SALT = 'cm94YnRVOW5jZzFzcVE4bQ';
const KEY = 'MNzk5BtR2vUhrp6qQEjRNw';
const argon2 = (costs: string): string => `$argon2id$v=19$${costs}$${SALT}$${KEY}`;
const scrypt = (costs: string): string => `$scrypt$${costs}$${SALT}==$${KEY}==`;
const fire = (costs: string): string => `$firescrypt$${costs}$${SALT}==$${KEY}==$Bw==$${KEY}==`;
const MD5 = 'CY9rzUYh03PK3k6DJie09g==';

describe('a hash beyond the bounds of cost', () => {
  it.each([
    ['$2a$16$o6hx.Wog/wvFSkT/Bp/6DOxCtLRTDj7lm9on9suF/WaCGNVHbkfL6'],
    ['$2a$31$o6hx.Wog/wvFSkT/Bp/6DOxCtLRTDj7lm9on9suF/WaCGNVHbkfL6'],
    ['$2a$03$o6hx.Wog/wvFSkT/Bp/6DOxCtLRTDj7lm9on9suF/WaCGNVHbkfL6'],
    [argon2('m=1048577,t=1,p=1')],
    [argon2('m=64,t=11,p=1')],
    [argon2('m=4096,t=1,p=65')],
    [argon2('m=31,t=1,p=4')],
    [argon2('m=0,t=1,p=1')],
    [argon2('m=64,t=0,p=1')],
    [argon2('m=99999999999999999999,t=1,p=1')],
    [`$pbkdf2-sha256$i=10000001,l=32$${SALT}$${KEY}`],
    [`$pbkdf2-sha256$i=0,l=32$${SALT}$${KEY}`],
    [scrypt('ln=262144,r=8,p=1')],
    [scrypt('ln=16384,r=9,p=1')],
    [scrypt('ln=16384,r=8,p=11')],
    [scrypt('ln=16385,r=8,p=1')],
    [scrypt('ln=14,r=8,p=1')],
    [fire('ln=18,r=8,p=1')],
    [fire('ln=0,r=8,p=1')],
    [fire('ln=4000000000,r=8,p=1')],
    [`$sha256-crypt$rounds=1000001$salt$${'.'.repeat(43)}`],
    [`$sha512-crypt$rounds=999$salt$${'.'.repeat(86)}`],
  ])('%s is refused', (stored) => {
    expect(() => assertImportable(stored)).toThrowError(/cost|rounds|bounds/);
  });
});

describe('a hash that any password could match', () => {
  it.each([
    ['without a password in its template', `$md5$pf=${b64('{SALT}')}$MTIz$${MD5}`],
    ['with an empty template', `$md5$pf=$MTIz$${MD5}`],
    ['with an empty key', `$argon2id$v=19$m=64,t=1,p=1$${SALT}$`],
    ['with a short key', `$pbkdf2-sha256$i=1000,l=1$${SALT}$AA`],
    [
      'with a signer key of another length than the key',
      `$firescrypt$ln=14,r=8,p=1$${SALT}==$${KEY}==$Bw==$`,
    ],
    ['with a digest of another length', '$md5$AAAA'],
    ['with a MAC of another length', `$hmac-sha256$${b64('00')}$AAAA`],
    ['with nothing but salt', '{SSHA}AAAA'],
  ])('%s is refused', (_name, stored) => {
    expect(readHash(stored)).toHaveProperty('problem');
  });
});

describe('a malformed hash', () => {
  it.each([
    [''],
    ['$'],
    ['plain text'],
    ['$unknown$12$o6hx.Wog/wvFSkT/Bp/6DOxCtLRTDj7lm9on9suF/WaCGNVHbkfL6'],
    ['$2a$12$o6hx.Wog/wvFSkT/Bp/6DOxCtLRTDj7lm9on9suF/WaCGNVHbkfL7'],
    ['$2a$+4$o6hx.Wog/wvFSkT/Bp/6DOxCtLRTDj7lm9on9suF/WaCGNVHbkfL6'],
    ['$2a$12$o6hx.Wog/wvFSkT/Bp/6DOxCtLRTDj7lm9on9suF/WaCGNVHbkfL6\n'],
    [`$argon2d$v=19$m=64,t=1,p=1$${SALT}$${KEY}`],
    [`$argon2id$v=16$m=64,t=1,p=1$${SALT}$${KEY}`],
    [`$argon2id$m=64,t=1,p=1$${SALT}$${KEY}`],
    [`$argon2id$v=19$m=64,t=1,p=1$${SALT}==$${KEY}`],
    [`$argon2id$v=19$m=64,t=1,p=1$${SALT}$${KEY}$`],
    [argon2('t=1,m=64,p=1')],
    [argon2('m=64,t=1,p=1,x=1')],
    [argon2('m=0x40,t=1,p=1')],
    [argon2('m=-64,t=1,p=1')],
    [`$pbkdf2-sha3$i=1000,l=16$${SALT}$${KEY}`],
    [`$pbkdf2-sha256$${SALT}$${KEY}`],
    [`$scrypt$ln=16384,r=8,p=1$${SALT}$${KEY}`],
    ['{SSHAnew}xPUl/px+1cG55rUH4rzcwxdOIPSB2TingLpiJJumN2xyDWN4Ix1WQG3'],
    ['{SSHA}tooshort'],
    ['$md5$$'],
    ['$md5$$$'],
    ['$md5$pf=$$'],
    ['$md5$pf=MTIz$MTIz$Z'],
    [`$sha1$NW9wbWtnejAzcg==$2qU2SGWP8viTM1md3FiI3+rjWXQ=`],
    ['$md5-crypt$whuMjZj.HMFoaTaZRRtkO0'],
    ['$md5-crypt$$'],
    [`$md5-crypt$rounds=1000$salt$${'.'.repeat(22)}`],
    ['$sha256-crypt$$$'],
    [`$sha256-crypt$seventeencharacters$${'.'.repeat(43)}`],
    [`$hmac-md4$${b64('1d9e28776f88ba6149b449328a85e8b0')}$MTIzNDU=`],
    [`$hmac-md5$${b64('fe8697f742d080405d1270e6163316f9')}`],
    [`$hmac-__proto__$${b64('fe8697f742d080405d1270e6163316f9')}$MTIzNDU=`],
    [`$md5$${'A'.repeat(100_000)}`],
  ])('%s is refused with a problem that does not repeat it', (stored) => {
    const read = readHash(stored);
    if (!('problem' in read)) throw new Error('was taken');
    expect(read.problem.length).toBeLessThan(100);
    if (stored.length > 5) expect(read.problem).not.toContain(stored.slice(0, 10));
  });
});
