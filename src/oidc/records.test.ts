/** Codes and tokens in the store: nothing readable at rest, each consumed once, none outliving its session. */
import type { AdapterPayload } from 'oidc-provider';
import { describe, expect, it } from 'vitest';
import { boundUid, Records, sessionOfUid } from './records.ts';
import { onEachStore, type Rooms } from './stores.fixture.ts';

const OVERLAP_MS = 5_000;
const ended = new Set<string>();
let guesses = 1_000;
const recordsOf = (rooms: Rooms): Records =>
  new Records({
    ...rooms,
    people: {
      isStanding: async (id) => !ended.has(id),
      spendGuess: async () => guesses-- > 0,
    },
    refreshOverlapMs: OVERLAP_MS,
  });
const payloadOf = (sessionId: string, more: Partial<AdapterPayload> = {}): AdapterPayload => ({
  accountId: 'person-1',
  clientId: 'client-1',
  sessionUid: boundUid(sessionId, 'random'),
  grantId: 'grant-1',
  ...more,
});

describe('the uid of a session', () => {
  it('names the session of the accounts, or none', () => {
    expect(sessionOfUid(boundUid('s1', 'r'))).toBe('s1');
    for (const uid of [undefined, '', '~', '~r', 'r']) expect(sessionOfUid(uid)).toBeUndefined();
  });
});

describe('records', () => {
  onEachStore((rooms) => {
    it('hold no token, code, user code or claim that can be read', async () => {
      const records = recordsOf(rooms());
      await records.open();
      const secrets = ['SECRETTOKENID0123456789', 'USERCODEX', 'SECRETNONCE0123456789'];
      const [id = '', userCode = '', nonce = ''] = secrets;
      await records.adapter('AccessToken').upsert(id, payloadOf('s1', { jti: id, nonce }), 60);
      await records.adapter('DeviceCode').upsert(`D${id}`, { userCode, nonce }, 60);
      const rows = await rooms().store.db.selectFrom('oidc_records').selectAll().execute();
      expect(rows).toHaveLength(2);
      const dump = rows
        .flatMap((row) => Object.values(row))
        .map((value) =>
          value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : String(value),
        )
        .join('\n');
      for (const secret of secrets) {
        expect(dump).not.toContain(secret);
        expect(dump).not.toContain(Buffer.from(secret).toString('base64url'));
      }
      const found = await records.adapter('DeviceCode').findByUserCode(userCode);
      expect(found?.['nonce']).toBe(nonce);
      expect(await records.adapter('DeviceCode').findByUserCode('OTHERCODE')).toBeUndefined();
      expect(await records.adapter('AccessToken').findByUserCode(userCode)).toBeUndefined();
      expect(await records.adapter('RefreshToken').find(id)).toBeUndefined();
    });

    it('are consumed by one of 20 that ask at once', async () => {
      const codes = recordsOf(rooms()).adapter('AuthorizationCode');
      await codes.upsert('code-1', payloadOf('s1'), 60);
      const settled = await Promise.allSettled(
        Array.from({ length: 20 }, () => codes.consume('code-1')),
      );
      expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      expect((await codes.find('code-1'))?.['consumed']).toBeTypeOf('number');
    });

    it('take a refresh token again within the overlap, and call it used after', async () => {
      const tokens = recordsOf(rooms()).adapter('RefreshToken');
      await tokens.upsert('refresh-1', payloadOf('s1'), 60);
      await tokens.consume('refresh-1');
      rooms().advance(OVERLAP_MS - 1);
      expect((await tokens.find('refresh-1'))?.['consumed']).toBeUndefined();
      // A second exchange does not lengthen the overlap.
      await tokens.consume('refresh-1');
      rooms().advance(1);
      expect((await tokens.find('refresh-1'))?.['consumed']).toBeTypeOf('number');
    });

    it('are not found once their session ended', async () => {
      const tokens = recordsOf(rooms()).adapter('AccessToken');
      await tokens.upsert('t-standing', payloadOf('s-standing'), 60);
      await tokens.upsert('t-ended', payloadOf('s-ended'), 60);
      ended.add('s-ended');
      expect(await tokens.find('t-standing')).toBeDefined();
      expect(await tokens.find('t-ended')).toBeUndefined();
    });

    it('of a person are refused without a session, but for consent', async () => {
      const records = recordsOf(rooms());
      const loose = { accountId: 'person-1', clientId: 'client-1' };
      await expect(records.adapter('AccessToken').upsert('x', loose, 60)).rejects.toThrow(
        'without their session',
      );
      await expect(
        records.adapter('AccessToken').upsert('x', { ...loose, sessionUid: '~r' }, 60),
      ).rejects.toThrow('without their session');
      await records.adapter('Grant').upsert('g-loose', { ...loose, jti: 'g-loose' }, 60 * 86_400);
      expect(await records.grantIdFor('person-1', 'client-1')).toBe('g-loose');
      expect(await records.grantIdFor('person-1', 'client-2')).toBeUndefined();
      expect(await records.grantIdFor('person-2', 'client-1')).toBeUndefined();
    });

    it('of a session go together, and are answered to one of those who ask', async () => {
      const records = recordsOf(rooms());
      await records
        .adapter('Session')
        .upsert('ps-1', { accountId: 'person-1', uid: boundUid('s-go', 'r') }, 60);
      await records.adapter('RefreshToken').upsert('rt-1', payloadOf('s-go'), 60);
      await records.adapter('RefreshToken').upsert('rt-2', payloadOf('s-stay'), 60);
      const told = await Promise.all([
        records.removeSession('s-go'),
        records.removeSession('s-go'),
      ]);
      expect(told.flat()).toHaveLength(1);
      expect(await records.adapter('RefreshToken').find('rt-1')).toBeUndefined();
      expect(await records.adapter('RefreshToken').find('rt-2')).toBeDefined();
    });

    it('of a grant go together', async () => {
      const tokens = recordsOf(rooms()).adapter('AccessToken');
      await tokens.upsert('a1', payloadOf('s1', { grantId: 'family' }), 60);
      await tokens.upsert('a2', payloadOf('s1', { grantId: 'other' }), 60);
      await tokens.revokeByGrantId('family');
      expect(await tokens.find('a1')).toBeUndefined();
      expect(await tokens.find('a2')).toBeDefined();
    });

    it('that expired are swept, and no others', async () => {
      const records = recordsOf(rooms());
      while ((await records.sweep()) > 0);
      await records.adapter('AccessToken').upsert('short', payloadOf('s1'), 1);
      await records.adapter('AccessToken').upsert('long', payloadOf('s1'), 3_600);
      rooms().advance(2_000);
      expect(await records.sweep()).toBe(1);
      expect(await records.sweep()).toBe(0);
      expect(await records.adapter('AccessToken').find('short')).toBeUndefined();
      expect(await records.adapter('AccessToken').find('long')).toBeDefined();
    });
  });
});
