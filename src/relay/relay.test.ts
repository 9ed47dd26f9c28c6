import { once } from 'node:events';
import net, { type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RelayService, type RelaySession } from './index.ts';

type Pushed = Readonly<Record<string, unknown>>;
interface Session extends RelaySession {
  readonly pushed: Pushed[];
}
const facts = { services: ['outlet'], directAddresses: [] };
let relay: RelayService;
let server: net.Server;
const sockets: Socket[] = [];

function session(id: string, o: Partial<RelaySession> = {}): Session {
  const pushed: Pushed[] = [];
  return {
    id,
    projectId: 'p1',
    identifier: `I-${id}`,
    node: 'n1',
    attributes: { 'ockam-relay': 'db' },
    pushed,
    push: (message) => pushed.push({ ...message }),
    ...o,
  };
}
/** Two ends of one TCP connection: the dialler's, and the one that the relay holds. */
async function dialled(): Promise<[Socket, Socket]> {
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const accepted = once(server, 'connection');
  const here = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  here.on('error', () => undefined);
  const [there]: Socket[] = await accepted;
  if (there === undefined) throw new Error('no connection');
  there.on('error', () => undefined);
  sockets.push(here, there);
  return [here, there];
}
const isCut = async (socket: Socket): Promise<void> => {
  socket.resume();
  if (!socket.closed && !socket.readableEnded)
    await Promise.race([once(socket, 'close'), once(socket, 'end')]);
};

beforeEach(async () => {
  relay = new RelayService();
  server = net.createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server.close();
});

describe('a relay name', () => {
  it.each([
    ['no ockam-relay', {}],
    ['another name', { 'ockam-relay': 'web' }],
    ['an empty one', { 'ockam-relay': '' }],
    ['a part of it', { 'ockam-relay': 'd' }],
  ])('is not held with %s', (_what, attributes) => {
    expect(() => relay.register(session('a', { attributes }), 'db', facts, 0)).toThrow(
      expect.objectContaining({
        code: 'denied',
        hint: expect.stringContaining('postern project ticket --relay db'),
      }),
    );
    expect(relay.holders).toEqual([]);
  });
  it('is held with its name or with *', () => {
    relay.register(session('a'), 'db', facts, 5);
    relay.register(session('b', { attributes: { 'ockam-relay': '*' } }), 'web', facts, 6);
    expect(relay.holders.map((h) => [h.name, h.session.id, h.sinceMs])).toEqual([
      ['db', 'a', 5],
      ['web', 'b', 6],
    ]);
  });
  it('is taken over by another that may; the displaced one is told, and can’t release it', () => {
    const [a, b] = [session('a'), session('b')];
    relay.register(a, 'db', facts, 0);
    relay.register(b, 'db', facts, 1);
    expect(a.pushed).toEqual([{ type: 'relay_displaced', relay: 'db', by: 'I-b' }]);
    relay.release(a, 'db');
    relay.dropSession(a);
    expect(relay.holders.map((h) => h.session.id)).toEqual(['b']);
    relay.release(b, 'db');
    expect(relay.holders).toEqual([]);
  });
  it('is taken back quietly by the same node after it reconnected', () => {
    const a = session('a', { identifier: 'I1' });
    relay.register(a, 'db', facts, 0);
    relay.register(a, 'db', facts, 1);
    relay.register(session('b', { identifier: 'I1' }), 'db', facts, 2);
    expect(a.pushed).toEqual([]);
  });
  it('of one project is not the one of another', () => {
    relay.register(session('a'), 'db', facts, 0);
    relay.register(session('b', { projectId: 'p2' }), 'db', facts, 0);
    expect(relay.holders).toHaveLength(2);
    expect(() => relay.rendezvous(session('c', { projectId: 'p3' }), 'db')).toThrow(
      expect.objectContaining({ code: 'not_found' }),
    );
  });
});

describe('a meeting', () => {
  function arrange(): { asker: Session; holder: Session; tokens: [string, string] } {
    const [asker, holder] = [session('asker'), session('holder')];
    relay.register(holder, 'db', facts, 0);
    const { token } = relay.rendezvous(asker, 'db');
    return { asker, holder, tokens: [token, String(holder.pushed[0]?.['token'])] };
  }
  it('joins the two who present its tokens, bytes and half-close both ways', async () => {
    const { holder, tokens } = arrange();
    expect(holder.pushed).toEqual([
      { type: 'rendezvous', token: tokens[1], relay: 'db', peer_identifier: 'I-asker' },
    ]);
    expect(tokens[0]).not.toBe(tokens[1]);
    const [[a, a2], [b, b2]] = [await dialled(), await dialled()];
    relay.present(tokens[0], a2);
    relay.present(tokens[1], b2);
    expect(relay.splices).toBe(1);
    a.end('from a');
    const read = async (s: Socket): Promise<string> => {
      let text = '';
      for await (const chunk of s) text += String(chunk);
      return text;
    };
    expect(await read(b)).toBe('\u0001from a');
    b.end('from b');
    expect(await read(a)).toBe('\u0001from b');
  });
  it('is for two: a token works once, and one side alone does not fill both', async () => {
    const { tokens } = arrange();
    const [[a, a2], [b, b2], [c, c2]] = [await dialled(), await dialled(), await dialled()];
    relay.present(tokens[0], a2);
    relay.present(tokens[0], b2);
    await isCut(b);
    expect(a.destroyed).toBe(false);
    relay.present(tokens[1], c2);
    const [d, d2] = await dialled();
    relay.present(tokens[1], d2);
    await isCut(d);
    expect([relay.splices, c.destroyed]).toEqual([1, false]);
  });
  it('refuses a token that nobody was given', async () => {
    arrange();
    const [a, a2] = await dialled();
    relay.present('00'.repeat(32), a2);
    await isCut(a);
  });
  it.each(['asker', 'holder'] as const)('dies with the session of the %s', async (who) => {
    const meeting = arrange();
    const [[a, a2], [b, b2]] = [await dialled(), await dialled()];
    relay.present(meeting.tokens[0], a2);
    relay.dropSession(meeting[who]);
    await isCut(a);
    relay.present(meeting.tokens[1], b2);
    await isCut(b);
    expect(relay.splices).toBe(0);
  });
  it('ends when the one who waits goes away', async () => {
    const { tokens } = arrange();
    const [[a, a2], [b, b2]] = [await dialled(), await dialled()];
    relay.present(tokens[0], a2);
    a.resetAndDestroy();
    a2.resume();
    await new Promise((done) => a2.once('close', done));
    relay.present(tokens[1], b2);
    await isCut(b);
  });
});
