/** A node's policies: which one decides, what they default to, and what a denial leaves behind. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Home, openHome } from '../home/index.ts';
import type { Peer } from '../trust/index.ts';
import { type Denial, PolicyBook, type Side } from './policies.ts';
import { RelationAnswers } from './relations.ts';

const WEB: Peer = {
  ...{ identifier: 'Iweb', projectId: 'p1', attributes: { component: 'web' }, hasCredential: true },
  ...{ generation: 1, serial: '01', notBeforeMs: 0, notAfterMs: 1 },
};
const DB: Peer = { ...WEB, identifier: 'Idb', attributes: { component: 'db' } };
const STRANGER: Peer = { ...WEB, identifier: 'Istranger', attributes: {}, hasCredential: false };
const IS_WEB = '(= subject.component "web")';
const IS_DB = '(= subject.component "db")';

let folder: string;
let home: Home;
let denials: Denial[];
const open = (hasAuthority: boolean = true): PolicyBook =>
  new PolicyBook({
    ...{ records: home.policies('n1'), hasAuthority, node: 'n1' },
    relations: new RelationAnswers(async () => []),
    onDenial: (denial) => denials.push(denial),
  });
const passes = (
  book: PolicyBook,
  peer: Peer,
  side: Side = 'outlet',
  resource = 'outlet',
): boolean => {
  try {
    book.check(side, resource, peer);
    return true;
  } catch (reason) {
    expect(reason).toMatchObject({ code: 'denied', decisionId: expect.stringMatching(/^dec_/) });
    return false;
  }
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'postern-policies-'));
  home = openHome(folder);
  denials = [];
});
afterEach(() => {
  vi.useRealTimers();
  home.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('without a policy', () => {
  it('a node of a project lets in its members and nobody else', () => {
    const book = open();
    expect([WEB, DB, STRANGER].map((p) => passes(book, p))).toEqual([true, true, false]);
    expect(denials).toMatchObject([
      { peer: 'Istranger', rule: 'default: subject.has_credential', resource: 'outlet' },
    ]);
  });
  it('a node without a project lets everybody in, until it is given one', () => {
    const book = open(false);
    expect(passes(book, STRANGER)).toBe(true);
    book.put('tcp-outlet', true, 'subject.has_credential');
    expect([STRANGER, WEB].map((p) => passes(book, p))).toEqual([false, true]);
  });
});

describe('the policy that decides', () => {
  it('is the one of the resource, else the one of its type, else the default', () => {
    const book = open();
    book.put('tcp-outlet', true, IS_DB);
    book.put('web', false, IS_WEB);
    expect([WEB, DB].map((p) => passes(book, p, 'outlet', 'web'))).toEqual([true, false]);
    expect([WEB, DB].map((p) => passes(book, p, 'outlet', 'other'))).toEqual([false, true]);
    expect([WEB, DB].map((p) => passes(book, p, 'inlet', 'other'))).toEqual([true, true]);
    book.delete('web');
    expect(passes(book, WEB, 'outlet', 'web')).toBe(false);
    book.delete('tcp-outlet');
    expect([WEB, STRANGER].map((p) => passes(book, p, 'outlet', 'web'))).toEqual([true, false]);
  });
  it('of a resource lets in whom the default would refuse', () => {
    const book = open();
    book.put('public', false, 'true');
    expect(passes(book, STRANGER, 'outlet', 'public')).toBe(true);
  });
  it('asks for the identifier, the resource and the action too', () => {
    const book = open();
    const text =
      '(and (= subject.identifier "Iweb") (= resource.id "a") (= action.id "handle_message"))';
    book.put('tcp-inlet', true, text);
    expect(passes(book, WEB, 'inlet', 'a')).toBe(true);
    expect(passes(book, WEB, 'inlet', 'b')).toBe(false);
    expect(passes(book, DB, 'inlet', 'a')).toBe(false);
  });
  it('is replaced at once, and stays when its successor can not be read', () => {
    const book = open();
    book.put('tcp-outlet', true, IS_WEB);
    book.put('tcp-outlet', true, 'false');
    expect(passes(book, WEB)).toBe(false);
    expect(() => book.put('tcp-outlet', true, '(= subject.component')).toThrow('invalid value');
    expect(passes(book, WEB)).toBe(false);
    expect(book.list()).toHaveLength(1);
  });
  it('is the same after a restart, as it prints', () => {
    const record = open().put('tcp-outlet', true, 'web or db');
    const expression = '(or (= subject.web "true") (= subject.db "true"))';
    expect(record).toEqual({ name: 'tcp-outlet', isType: true, expression });
    const again = open();
    expect(again.get('tcp-outlet')).toEqual(record);
    expect(passes(again, WEB)).toBe(false);
    expect(passes(again, { ...WEB, attributes: { web: 'no', db: 'true' } })).toBe(true);
  });
  it('keeps the node from starting when it is kept damaged, rather than letting all in', () => {
    home.policies('n1').put({ name: 'tcp-outlet', isType: true, expression: '(=' });
    expect(() => open()).toThrow('invalid value');
  });
  it('that is not there is not found', () => {
    expect(() => open().get('web')).toThrow("The policy named 'web' was not found");
    expect(() => open().delete('web')).toThrow("The policy named 'web' was not found");
  });
});

describe('a denial', () => {
  const refusal = (book: PolicyBook, peer: Peer): unknown => {
    try {
      return book.check('outlet', 'outlet', peer);
    } catch (reason) {
      return reason;
    }
  };
  it('says what was needed, what the credential says and where to look', () => {
    const book = open();
    book.put('tcp-outlet', true, IS_WEB);
    const [denial] = [refusal(book, DB), denials].flatMap((x) => (Array.isArray(x) ? x : []));
    const why = `needs ${IS_WEB}; the credential says subject.component="db"`;
    expect(denial).toMatchObject({
      peer: 'Idb',
      rule: `policy tcp-outlet: ${IS_WEB}`,
      why,
      count: 1,
    });
    expect(refusal(book, DB)).toMatchObject({
      message: `Denied by the outlet's policy at node n1: ${why}`,
      decisionId: denial.id,
      hint: `postern policy show tcp-outlet --at n1 · postern explain ${denial.id}`,
    });
  });
  it('is reported once in ten seconds, and counted in between, for each peer by itself', () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_000_000 });
    const book = open();
    for (let n = 0; n < 100; n++) refusal(book, STRANGER);
    refusal(book, { ...STRANGER, identifier: 'Ianother' });
    vi.setSystemTime(1_009_999);
    refusal(book, STRANGER);
    expect(denials.map((d) => [d.peer, d.count])).toEqual([
      ['Istranger', 101],
      ['Ianother', 1],
    ]);
    vi.setSystemTime(1_010_000);
    refusal(book, STRANGER);
    expect(denials.map((d) => [d.peer, d.count]).at(-1)).toEqual(['Istranger', 1]);
    expect(new Set(denials.map((d) => d.id)).size).toBe(3);
  });
  it('is forgotten in favour of newer ones, a thousand at a time', () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_000_000 });
    const book = open();
    for (let n = 0; n < 1_001; n++) refusal(book, { ...STRANGER, identifier: `I${n}` });
    refusal(book, { ...STRANGER, identifier: 'I1000' });
    expect(denials).toHaveLength(1_001);
    refusal(book, { ...STRANGER, identifier: 'I0' });
    expect(denials).toHaveLength(1_002);
  });
});
