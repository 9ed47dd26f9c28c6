import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { forwardedFor, takeForwarded } from './forwarded.ts';

describe('X-Forwarded-For', () => {
  it.each([
    ['192.0.2.1', ['192.0.2.1']],
    ['192.0.2.1:5000', ['192.0.2.1']],
    ['[2001:db8::1]:5000, 10.0.0.1', ['2001:db8::1', '10.0.0.1']],
    ['2001:db8::1', ['2001:db8::1']],
    ['198.51.100.1, unknown, 192.0.2.1', ['192.0.2.1']],
    ['unknown', []],
    ['192.0.2.1, ', []],
    ['192.0.2.256', []],
    ['x'.repeat(5_000), []],
  ])('%s is read from its end', (header, addresses) => {
    expect(forwardedFor(header)).toEqual(addresses);
  });

  it('leaves nothing but addresses', () => {
    fc.assert(
      fc.property(fc.string(), (header) => forwardedFor(header).every((a) => isIP(a) !== 0)),
    );
    const headers = { 'x-forwarded-for': 'unknown' };
    takeForwarded(headers);
    expect(headers).toEqual({});
  });
});
