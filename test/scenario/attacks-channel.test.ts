/** What a member may not do over a channel that it opened by hand, and what must not end the node at the other side. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { headers, preface, reset } from '../harness/h2-frames.ts';
import {
  answerOf,
  dialTls,
  nodePlaces,
  presenting,
  raiseStage,
  type Stage,
  type Stolen,
  steal,
  Wire,
} from '../harness/hostile.ts';
import { ask } from '../harness/talk.ts';

let stage: Stage;
let member: Stolen;
beforeAll(async () => {
  stage = await raiseStage();
  member = steal(stage.world, 'web');
}, 120_000);
afterAll(() => stage.close(), 60_000);

const request = (method: string, path: string): [string, string][] => [
  [':method', method],
  [':scheme', 'https'],
  [':authority', 'peer'],
  [':path', path],
];
const CONTROL = '/postern/channel/v1/control/api';

describe('a member on a channel', () => {
  /** A channel to db's own listener, opened by hand. */
  async function channel(): Promise<Wire> {
    const { port } = nodePlaces(stage.world, 'db');
    const wire = await Wire.open(port, presenting(member.credential));
    const control = wire.stream({ ':method': 'POST', ':path': CONTROL });
    await new Promise((r) => control.once('response', r));
    return wire;
  }

  it('reaches outlets by their names and nothing by an address', async () => {
    const wire = await channel();
    const known = wire.stream({ ':method': 'CONNECT', ':authority': 'outlet' });
    known.end('ping');
    expect((await answerOf(known)).body).toBe('ping');
    const before = stage.served.length;
    const port = stage.targetPort;
    for (const authority of [
      `127.0.0.1:${port}`,
      `localhost:${port}`,
      `[::1]:${port}`,
      `outlet:${port}`,
      `outlet@127.0.0.1:${port}`,
      'outlet/../outlet',
      'outlet%00',
      'OUTLET',
      ' outlet',
      'outlet\t',
      '__proto__',
      'constructor',
      'x'.repeat(4_000),
      '',
    ]) {
      const stream = wire.stream({ ':method': 'CONNECT', ':authority': authority });
      stream.end('GET / HTTP/1.1\r\n\r\n');
      const { status } = await answerOf(stream);
      expect([0, 404], authority).toContain(status);
    }
    expect(stage.served.slice(before).join('')).toBe('');
    wire.close();
  });

  it('can not smuggle header lines in a name', async () => {
    for (const name of ['outlet\r\nx: y', 'outlet\nx', 'outlet\0']) {
      const { port } = nodePlaces(stage.world, 'db');
      const socket = await dialTls(port, presenting(member.credential));
      const before = stage.served.length;
      const connect: [string, string][] = [
        [':method', 'CONNECT'],
        [':authority', name],
      ];
      socket.write(
        Buffer.concat([preface(), headers(1, request('POST', CONTROL)), headers(3, connect)]),
      );
      await sleep(100);
      expect(stage.served.length).toBe(before);
      socket.destroy();
    }
    expect(await ask(stage.inletPort, 'ping')).toBe('ping');
  });

  it('can not end a node with names that break in the middle of a character', async () => {
    const pid = await stage.world.nodePid('db', 'db');
    const wire = await Wire.open(nodePlaces(stage.world, 'db').port, presenting(member.credential));
    const control = wire.stream({ ':method': 'POST', ':path': '/postern/channel/v1/control/api' });
    await new Promise((r) => control.once('response', r));
    for (let n = 95; n < 105; n++)
      for (const kind of ['services', 'messages', 'relays']) {
        const name = `${'a'.repeat(n)}${encodeURIComponent('😀')}`;
        const answer = await wire.ask(
          {
            ':method': kind === 'services' ? 'GET' : 'POST',
            ':path': `/postern/channel/v1/${kind}/${name}`,
          },
          kind === 'services' ? undefined : {},
        );
        expect(answer.status, kind).toBeGreaterThanOrEqual(400);
      }
    wire.close();
    expect(await stage.world.nodePid('db', 'db')).toBe(pid);
  });

  it('can not end a node with streams that are reset before they are looked at', async () => {
    const pid = await stage.world.nodePid('db', 'db');
    const socket = await dialTls(nodePlaces(stage.world, 'db').port, presenting(member.credential));
    socket.write(Buffer.concat([preface(), headers(1, request('POST', CONTROL))]));
    const kinds: [string, string][][] = [
      [
        [':method', 'CONNECT'],
        [':authority', 'outlet'],
      ],
      [
        [':method', 'CONNECT'],
        [':authority', 'forward_to_db'],
      ],
      [
        [':method', 'CONNECT'],
        [':authority', `rendezvous_${'a'.repeat(64)}`],
      ],
      request('GET', '/postern/channel/v1/services/outlet'),
      request('GET', '/postern/channel/v1/services/%ff'),
      request('POST', '/postern/channel/v1/messages/echo'),
      request('POST', '/postern/channel/v1/relays/db'),
      request('POST', '/postern/channel/v1/control/api'),
    ];
    let stream = 3;
    for (let round = 0; round < 50; round++) {
      const burst = kinds.flatMap((fields) => {
        const id = stream;
        stream += 2;
        return [headers(id, fields), reset(id)];
      });
      socket.write(Buffer.concat(burst));
      await sleep(2);
    }
    expect(await ask(stage.inletPort, 'ping')).toBe('ping');
    socket.destroy();
    expect(await stage.world.nodePid('db', 'db')).toBe(pid);
  });
});
