/** The authority over a real store: tickets, members and the generations of their credentials. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { generateLeafKey } from '../trust/index.ts';
import { ADMIN, type Court, HOUR_MS, Machine, openCourt } from './authority.fixture.ts';
import type { Credential, NewTicket } from './authority.ts';

let court: Court;
const refused = (code: string): unknown => expect.objectContaining({ code });

beforeEach(async () => {
  court = await openCourt();
});
afterEach(() => court.close());

describe('a ticket', () => {
  it('makes its redeemer a member with its attributes, for an hour at a time', async () => {
    const machine = new Machine(court);
    const credential = await machine.redeem(await court.ticket({ relay: 'db' }));
    const attributes = { component: 'web', 'ockam-relay': 'db' };
    expect(credential).toMatchObject({
      alreadyMember: false,
      member: { role: 'member', generation: 1 },
    });
    expect(court.verify(credential)).toMatchObject({ identifier: machine.identifier, attributes });
    court.nowMs += HOUR_MS + 1_000;
    expect(() => court.verify(credential)).toThrow('expired');
    expect(court.verify(await machine.issue()).attributes).toEqual(attributes);
  });
  it('serves as often as it says, and says so when it is used up', async () => {
    const code = await court.ticket({ usageCount: 2 });
    await new Machine(court).redeem(code);
    await new Machine(court).redeem(code);
    await expect(new Machine(court).redeem(code)).rejects.toThrow('This ticket was used already');
    expect(await court.authority.members(court.project.id)).toHaveLength(2);
  });
  it('serves one of many who try at once', async () => {
    const code = await court.ticket();
    const tries = Array.from({ length: 8 }, () => new Machine(court).redeem(code));
    const outcomes = await Promise.allSettled(tries);
    expect(outcomes.filter((o) => o.status === 'fulfilled')).toHaveLength(1);
    expect(await court.authority.members(court.project.id)).toHaveLength(1);
  });
  it('takes no use from who is a member, and changes nothing of it', async () => {
    const machine = new Machine(court);
    await machine.redeem(await court.ticket());
    const code = await court.ticket({ attributes: { component: 'db' } });
    const again = await machine.redeem(code);
    expect(again).toMatchObject({
      alreadyMember: true,
      member: { attributes: { component: 'web' } },
    });
    expect(court.verify(await new Machine(court).redeem(code)).attributes).toEqual({
      component: 'db',
    });
    expect((await machine.redeem(code)).alreadyMember).toBe(true);
  });
  it('expires', async () => {
    const code = await court.ticket({ expiresInMs: 10_000 });
    court.nowMs += 10_000;
    await expect(new Machine(court).redeem(code)).rejects.toMatchObject({
      code: 'expired',
      message: 'This ticket has expired',
    });
  });
  it('that nobody made, or whose evidence is not for the key, is refused', async () => {
    await expect(new Machine(court).redeem('guess')).rejects.toEqual(refused('unauthenticated'));
    const [machine, code] = [new Machine(court), await court.ticket()];
    const other = generateLeafKey().publicKeySpki;
    await expect(court.authority.redeem(code, machine.evidence, other)).rejects.toEqual(
      refused('invalid'),
    );
    expect((await machine.redeem(code)).alreadyMember).toBe(false);
  });
  it.each<[string, Partial<NewTicket>]>([
    ['no life', { expiresInMs: 0 }],
    ['more than a year', { expiresInMs: 366 * 86_400_000 }],
    ['no use', { usageCount: 0 }],
    ['half a use', { usageCount: 1.5 }],
    ['too many uses', { usageCount: 100_001 }],
    ['a relay that is no name', { relay: 'a/b' }],
    ['an attribute that is no name', { attributes: { 'a b': 'x' } }],
    ['a value that is too long', { attributes: { a: 'x'.repeat(513) } }],
    [
      'too many attributes',
      { attributes: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`a${n}`, ''])) },
    ],
  ])('with %s is not made', async (_, changes) => {
    await expect(court.ticket(changes)).rejects.toEqual(refused('invalid'));
  });
});

describe('a change of attributes', () => {
  it('makes every older credential void and leaves the next one good', async () => {
    const machine = new Machine(court);
    const first = await machine.redeem(await court.ticket());
    await court.authority.putMember(
      court.project.id,
      machine.identifier,
      'member',
      { component: 'db' },
      ADMIN,
    );
    const second = await machine.issue();
    await court.authority.refresh();
    expect(() => court.verify(first)).toThrow('was revoked');
    expect(court.verify(second)).toMatchObject({ generation: 2, attributes: { component: 'db' } });
  });
  it('by removal voids all, and who comes back starts above every generation it had', async () => {
    const machine = new Machine(court);
    const old: Credential[] = [await machine.redeem(await court.ticket())];
    await court.authority.putMember(court.project.id, machine.identifier, 'member', {}, ADMIN);
    old.push(await machine.issue());
    await court.authority.deleteMember(court.project.id, machine.identifier, ADMIN);
    await court.authority.refresh();
    for (const credential of old) expect(() => court.verify(credential)).toThrow('was revoked');
    await expect(machine.issue()).rejects.toMatchObject({
      code: 'denied',
      hint: expect.stringContaining('ticket'),
    });
    await expect(
      court.authority.deleteMember(court.project.id, machine.identifier, ADMIN),
    ).rejects.toEqual(refused('not_found'));
    const back = await machine.redeem(await court.ticket());
    await court.authority.refresh();
    expect(court.verify(back).generation).toBeGreaterThan(2);
    for (const credential of old) expect(() => court.verify(credential)).toThrow('was revoked');
  });
  it('is in the audit log, in order and whole', async () => {
    const machine = new Machine(court);
    await machine.redeem(await court.ticket());
    await court.authority.deleteMember(court.project.id, machine.identifier, ADMIN);
    const actions = (await court.audit.list()).map((entry) => entry.action);
    expect(actions.slice(-4)).toEqual([
      'ticket.create',
      'member.add',
      'ticket.redeem',
      'member.delete',
    ]);
    expect(await court.audit.verify()).toMatchObject({ isIntact: true });
  });
});
