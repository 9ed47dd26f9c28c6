/** Names that only administrators give, and what an enroller may and may not do. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createIdentity } from '../trust/index.ts';
import { ADMIN, type Court, Machine, openCourt } from './authority.fixture.ts';
import type { Actor } from './authority.ts';

const ENROLLER: Actor = { id: 'enroller', isAdmin: false };
let court: Court;
const refused = (code: string): unknown => expect.objectContaining({ code });
const someone = (): string => createIdentity().identity.identifier;

beforeEach(async () => {
  court = await openCourt();
});
afterEach(() => court.close());

describe('a reserved name', () => {
  const put = (name: string, by: Actor): Promise<unknown> =>
    court.authority.putMember(court.project.id, someone(), 'member', { [name]: 'x' }, by);
  it.each(['ockam-relay', 'ockam-role', 'postern-anything'])(
    '%s is given by administrators alone',
    async (name) => {
      await expect(put(name, ENROLLER)).rejects.toEqual(refused('denied'));
      await expect(court.ticket({ attributes: { [name]: 'x' } }, ENROLLER)).rejects.toEqual(
        refused('denied'),
      );
      await expect(put(name, ADMIN)).resolves.toMatchObject({ attributes: { [name]: 'x' } });
    },
  );
  it.each(['identifier', 'has_credential', 'account.x'])('%s is given by nobody', async (name) => {
    for (const by of [ADMIN, ENROLLER]) {
      await expect(put(name, by)).rejects.toEqual(refused('denied'));
      await expect(court.ticket({ attributes: { [name]: 'x' } }, by)).rejects.toEqual(
        refused('denied'),
      );
    }
  });
  it.each(['identifier2', 'ockam', 'Ockam-relay', 'component'])('%s is none', async (name) => {
    await expect(put(name, ENROLLER)).resolves.toMatchObject({ attributes: { [name]: 'x' } });
  });
});

describe('an enroller', () => {
  it('makes tickets for members and for relays', async () => {
    const credential = await new Machine(court).redeem(
      await court.ticket({ relay: 'db' }, ENROLLER),
    );
    expect(court.verify(credential).attributes).toEqual({ component: 'web', 'ockam-relay': 'db' });
  });
  it('makes no enroller and no administrator', async () => {
    await expect(court.ticket({ isEnroller: true }, ENROLLER)).rejects.toEqual(refused('denied'));
    for (const role of ['enroller', 'admin'] as const) {
      const put = court.authority.putMember(court.project.id, someone(), role, {}, ENROLLER);
      await expect(put).rejects.toEqual(refused('denied'));
    }
    expect(await court.authority.members(court.project.id)).toEqual([]);
  });
  it('manages members, and neither changes nor removes other enrollers and administrators', async () => {
    const { authority, project } = court;
    const add = (
      role: 'admin' | 'enroller' | 'member',
      by: Actor,
    ): Promise<{ identifier: string }> => authority.putMember(project.id, someone(), role, {}, by);
    const mine = await add('member', ENROLLER);
    await authority.putMember(project.id, mine.identifier, 'member', { a: 'b' }, ENROLLER);
    await authority.deleteMember(project.id, mine.identifier, ENROLLER);
    for (const { identifier } of [await add('enroller', ADMIN), await add('admin', ADMIN)]) {
      const put = authority.putMember(project.id, identifier, 'member', {}, ENROLLER);
      await expect(put).rejects.toEqual(refused('denied'));
      const remove = authority.deleteMember(project.id, identifier, ENROLLER);
      await expect(remove).rejects.toEqual(refused('denied'));
    }
    const roles = (await authority.members(project.id)).map((m) => m.role);
    expect(new Set(roles)).toEqual(new Set(['enroller', 'admin']));
  });
  it('is one by its ticket, in its credential too', async () => {
    const credential = await new Machine(court).redeem(
      await court.ticket({ isEnroller: true, attributes: {} }),
    );
    expect(credential.member.role).toBe('enroller');
    expect(court.verify(credential).attributes).toEqual({ 'ockam-role': 'enroller' });
  });
});

describe('an administrator', () => {
  it('is made once by a one-time code, with every relay', async () => {
    const { code } = await court.authority.createAdminTicket(ADMIN);
    const machine = new Machine(court);
    const credential = await machine.redeem(code);
    expect(credential.member.role).toBe('admin');
    expect(court.verify(credential).attributes).toMatchObject({ 'ockam-relay': '*' });
    await expect(new Machine(court).redeem(code)).rejects.toEqual(refused('expired'));
  });
});

it.each(['', 'I', 'x', `I${'g'.repeat(64)}`, `i${'a'.repeat(64)}`])(
  '%j is no member',
  async (identifier) => {
    const put = court.authority.putMember(court.project.id, identifier, 'member', {}, ADMIN);
    await expect(put).rejects.toEqual(refused('invalid'));
  },
);
