/**
 * A member of the project that turns hostile: its TLS is right, and what it says inside is not. Random HTTP/2 frames,
 * random control lines and random paths end that channel or that stream with a reason, and nothing else.
 */
import { once } from 'node:events';
import http2 from 'node:http2';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { acceptChannel, type Channel } from '../../src/channel/index.ts';
import { PosternError } from '../../src/kernel/index.ts';
import { type Member, member } from '../../src/portal/member.fixture.ts';
import { createAuthorityCa } from '../../src/trust/index.ts';
import { WireMaker, within, writeInPieces } from './wire.ts';

const SEED = Number(process.env['POSTERN_FUZZ_SEED'] ?? 20_261);
const BOUND_MS = 3_000;
const wires = new WireMaker();
let hostile: Member;
let victim: Member;

beforeAll(async () => {
  await wires.open();
  const authority = await createAuthorityCa('p1');
  [hostile, victim] = [await member(authority, {}), await member(authority, {})];
});
afterAll(() => wires.close());

/** The hostile member's TLS, and the channel that the other one makes of it. */
async function open(): Promise<{ tls: TLSSocket; accepted: Promise<Channel> }> {
  const { channelEnd, otherEnd } = await wires.pair();
  const accepted = acceptChannel(channelEnd, victim.trust, {
    onConnect: (stream) => stream.close(),
    onProbe: () => undefined,
    onMessage: async (_service, body) => body,
  });
  accepted.catch(() => undefined);
  const { leafPrivateKeyPem: key, certificatePem: cert } = hostile.trust.local();
  const tls = tlsConnect({
    socket: otherEnd,
    key,
    cert,
    ALPNProtocols: ['h2'],
    rejectUnauthorized: false,
  });
  tls.on('error', () => undefined);
  await once(tls, 'secureConnect');
  return { tls, accepted };
}
const closing = (channel: Channel): Promise<PosternError> =>
  new Promise((resolve) => {
    if (channel.closeReason !== undefined) resolve(channel.closeReason);
    else channel.once('close', resolve);
  });
async function openControl(): Promise<{
  control: http2.ClientHttp2Stream;
  client: http2.ClientHttp2Session;
  channel: Channel;
}> {
  const { tls, accepted } = await open();
  const client = http2.connect('https://peer.invalid', { createConnection: () => tls });
  client.on('error', () => undefined);
  const path = '/postern/channel/v1/control/api';
  const control = client.request({ ':method': 'POST', ':path': path }, { endStream: false });
  control.on('error', () => undefined);
  return { control, client, channel: await accepted };
}

const frame = fc
  .tuple(fc.nat(12), fc.nat(255), fc.nat(5), fc.uint8Array({ maxLength: 64 }), fc.nat(20))
  .map(([type, flags, stream, payload, lie]) => {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length + (lie === 0 ? 7 : 0), 0, 3);
    head.set([type, flags, 0, 0, 0, stream], 3);
    return Buffer.concat([head, payload]);
  });
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1');
const frames = fc.array(frame, { maxLength: 20 }).map((f) => Buffer.concat([PREFACE, ...f]));
const bytes = fc.oneof(fc.uint8Array({ maxLength: 512 }), frames);

describe('a hostile member', () => {
  it('that speaks no HTTP/2 gets no channel', () =>
    fc.assert(
      fc.asyncProperty(bytes, fc.array(fc.nat(512), { maxLength: 5 }), async (b, cuts) => {
        const { tls, accepted } = await open();
        await writeInPieces(tls, b, cuts);
        tls.destroy();
        const answer = await within(
          BOUND_MS,
          accepted.then(closing, (reason: unknown) => reason),
        );
        expect(answer).toBeInstanceOf(PosternError);
        expect(answer).not.toMatchObject({ code: 'internal' });
      }),
      { seed: SEED, numRuns: 100 },
    ));
  it('that writes what is no control message ends its channel, with a reason that blames it', () => {
    const renewal = fc.record({
      type: fc.constant('renew'),
      certificate: fc.jsonValue(),
      signature: fc.jsonValue(),
    });
    const line = fc.oneof(
      fc.string({ unit: 'binary' }).filter((s) => !/^\s*[[{]/.test(s)),
      renewal.map((r) => JSON.stringify(r)),
      fc.constant('x'.repeat(70_000)),
    );
    return fc.assert(
      fc.asyncProperty(line, async (text) => {
        const { control, client, channel } = await openControl();
        control.write(`{"type":"hello"}\n{"type":"later"}\n[]\n${text}\n`);
        const reason = await within(BOUND_MS, closing(channel));
        client.destroy();
        expect(reason).toMatchObject({ code: expect.stringMatching(/^(invalid|denied)$/) });
      }),
      { seed: SEED, numRuns: 60 },
    );
  });
  it('that asks for random paths is refused, and its channel serves on', async () => {
    const { client, channel } = await openControl();
    const ask = (method: string, path: string): Promise<number> =>
      new Promise((resolve, reject) => {
        const stream = client.request({ ':method': method, ':path': path }, { endStream: true });
        stream.on('response', (headers) => resolve(Number(headers[':status'])));
        stream.on('error', reject);
        stream.resume();
      });
    const root = fc.constantFrom(
      '/',
      '/postern/channel/v1/services/',
      '/postern/channel/v1/messages/',
      '/postern/channel/v1/relays/',
      '/postern/channel/v1/control/',
    );
    const rest = fc.stringMatching(/^[!-~]{0,40}$/);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('GET', 'POST', 'PUT', 'X'),
        root,
        rest,
        async (method, head, tail) => {
          expect(await within(BOUND_MS, ask(method, head + tail))).toBeOneOf([200, 403, 404, 502]);
        },
      ),
      { seed: SEED, numRuns: 300 },
    );
    expect(await ask('GET', '/postern/channel/v1/services/outlet')).toBe(200);
    expect(channel.isClosed).toBe(false);
    client.destroy();
    expect(await within(BOUND_MS, closing(channel))).toBeInstanceOf(PosternError);
  });
});
