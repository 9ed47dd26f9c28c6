/** Enrolment tickets: one line of hex that reads back, and a clear refusal of anything else. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PosternError } from '../kernel/index.ts';
import { encodeTicket, parseTicket, type Ticket } from './ticket.ts';

const ticket: Ticket = {
  oneTimeCode: 'c'.repeat(43),
  server: { addresses: ['127.0.0.1:4480', '[::1]:4480'], caFingerprint: 'a'.repeat(64) },
  project: {
    id: '0b8e2f5c-5a63-4b4c-9f0a-000000000000',
    name: 'default',
    authorityIdentifier: `I${'b'.repeat(64)}`,
    authorityFingerprint: 'd'.repeat(64),
  },
};
const wire = (): Record<string, unknown> =>
  JSON.parse(Buffer.from(encodeTicket(ticket), 'hex').toString());
const hexOf = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('hex');
const refusal = (line: string): unknown => {
  try {
    return parseTicket(line);
  } catch (reason) {
    return reason;
  }
};

describe('a ticket', () => {
  it('is one line of hex that survives shells, sed and 16 KB of user data', () => {
    expect(encodeTicket(ticket)).toMatch(/^[0-9a-f]{1,4096}$/);
  });
  it.each([
    ['as it is', (t: string) => t],
    ['with white space around', (t: string) => `\n  ${t}\r\n`],
    ['in capitals', (t: string) => t.toUpperCase()],
  ])('reads back %s', (_, change) =>
    expect(parseTicket(change(encodeTicket(ticket)))).toEqual(ticket),
  );
  it('ignores fields that a newer version added', () =>
    expect(parseTicket(hexOf({ ...wire(), more: { than: 'known' } }))).toEqual(ticket));
});

describe('what is no ticket', () => {
  const text = encodeTicket(ticket);
  it.each([
    ['nothing', ''],
    ['a word', 'ticket'],
    ['an odd number of digits', text.slice(1)],
    ['the first half of a ticket', text.slice(0, text.length / 4) + text.slice(0, text.length / 4)],
    ['two tickets', `${text}\n${text}`],
    ['a line that is too long', 'ab'.repeat(8 * 1024 + 1)],
    ['hex of no JSON', 'abcd'],
    ['hex of null', hexOf(null)],
    ['hex of a list', hexOf([])],
    ['an empty code', hexOf({ ...wire(), one_time_code: '' })],
    ['a code that is no text', hexOf({ ...wire(), one_time_code: 7 })],
    ['a code that is too long', hexOf({ ...wire(), one_time_code: 'x'.repeat(257) })],
    ['no server', hexOf({ ...wire(), server: null })],
    ['no addresses', hexOf({ ...wire(), server: { addresses: [], ca_fingerprint: 'a' } })],
    [
      'an address without a port',
      hexOf({ ...wire(), server: { addresses: ['h'], ca_fingerprint: 'a' } }),
    ],
    [
      'an address that is no text',
      hexOf({ ...wire(), server: { addresses: [4480], ca_fingerprint: 'a' } }),
    ],
    [
      'too many addresses',
      hexOf({ ...wire(), server: { addresses: Array(17).fill('h:1'), ca_fingerprint: 'a' } }),
    ],
    ['no project', hexOf({ ...wire(), project: 'default' })],
  ])('%s is refused, with what to give instead', (_, line) => {
    const reason = refusal(line);
    expect(reason).toBeInstanceOf(PosternError);
    expect(reason).toMatchObject({
      code: 'invalid',
      hint: expect.stringContaining('project ticket'),
    });
  });
  it.each(['one_time_code', 'server', 'project'])('a ticket without %s is refused', (key) => {
    const { [key]: _, ...rest } = wire();
    expect(refusal(hexOf(rest))).toMatchObject({ code: 'invalid' });
  });
});

const word = (max: number) => fc.string({ unit: 'binary', minLength: 1, maxLength: max });
const address = fc
  .tuple(fc.oneof(fc.ipV4(), fc.domain()), fc.integer({ min: 0, max: 65_535 }))
  .map(([host, port]) => `${host}:${port}`);
const anyTicket: fc.Arbitrary<Ticket> = fc.record({
  oneTimeCode: word(100),
  server: fc.record({
    addresses: fc.array(address, { minLength: 1, maxLength: 16 }),
    caFingerprint: word(30),
  }),
  project: fc.record({
    id: word(50),
    name: word(50),
    authorityIdentifier: word(30),
    authorityFingerprint: word(30),
  }),
});

describe('properties', () => {
  it('every ticket reads back as it was', () =>
    fc.assert(
      fc.property(anyTicket, (t) => {
        expect(parseTicket(encodeTicket(t))).toEqual(t);
      }),
    ));
  it('any line, and any ticket with a byte changed, is a ticket or a clear refusal', () => {
    const bytes = Buffer.from(encodeTicket(ticket), 'hex');
    const mutated = fc
      .tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }))
      .map(([at, flip]) =>
        Buffer.from(bytes.map((b, i) => (i === at ? b ^ flip : b))).toString('hex'),
      );
    const json = fc.json().map((text) => Buffer.from(text).toString('hex'));
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), mutated, json), (line) => {
        const answer = refusal(line);
        if (answer instanceof Error) expect(answer).toMatchObject({ code: 'invalid' });
      }),
      { numRuns: 1_000 },
    );
  });
});
