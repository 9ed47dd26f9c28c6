/**
 * Channels that are fed what no node sends: random bytes, recordings of a real handshake that were changed, handshakes
 * that are changed on the way. Nothing crashes (an unhandled error fails the run), nobody gets in, and every attempt
 * ends within its bound. The seed is fixed; POSTERN_FUZZ_SEED gives another one, and a failure prints it.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { acceptChannel, type Channel, connectChannel } from '../../src/channel/index.ts';
import { PosternError } from '../../src/kernel/index.ts';
import { type Member, member } from '../../src/portal/member.fixture.ts';
import { createAuthorityCa } from '../../src/trust/index.ts';
import { WireMaker, within, writeInPieces } from './wire.ts';

const SEED = Number(process.env['POSTERN_FUZZ_SEED'] ?? 20_261);
/** What the handshake may take, and a moment for this machine. */
const HANDSHAKE_MS_MAX = 10_000 + 2_000;
/** A side that hears the other one leave must not wait for that. */
const AFTER_LEAVING_MS_MAX = 3_000;
type Side = 'dialler' | 'acceptor';
const wires = new WireMaker();
let members: Record<Side, Member>;
let recording: Record<Side, Buffer>;

const start = (side: Side, socket: Parameters<typeof connectChannel>[0]): Promise<Channel> =>
  side === 'dialler'
    ? connectChannel(socket, members.dialler.trust)
    : acceptChannel(socket, members.acceptor.trust, {
        onConnect: (stream) => stream.close(),
        onProbe: () => undefined,
        onMessage: async (_service, body) => body,
      });
/** How an attempt ended: its refusal, or `up`. */
const outcome = (attempt: Promise<Channel>): Promise<PosternError | 'up'> =>
  attempt.then(
    (channel) => {
      channel.close(new PosternError('unavailable', 'the test is over'));
      return 'up' as const;
    },
    (reason: unknown) => {
      if (reason instanceof PosternError && reason.code !== 'internal') return reason;
      throw reason;
    },
  );

/** Feeds bytes to one side; answers how its attempt ended. */
async function feed(
  side: Side,
  bytes: Uint8Array,
  cuts: number[],
  leave: 'end' | 'reset' | 'stay',
): Promise<unknown> {
  const { channelEnd, otherEnd } = await wires.pair();
  const end = outcome(start(side, channelEnd));
  otherEnd.resume();
  await writeInPieces(otherEnd, bytes, cuts);
  if (leave === 'end') otherEnd.end();
  if (leave === 'reset') otherEnd.resetAndDestroy();
  const answer = await within(leave === 'stay' ? HANDSHAKE_MS_MAX : AFTER_LEAVING_MS_MAX, end);
  expect(answer, `${side} after ${leave}`).toBeInstanceOf(PosternError);
  expect(channelEnd.destroyed).toBe(true);
  otherEnd.destroy();
  return answer;
}

/** A real handshake whose bytes pass through `change`; answers how both sides ended. */
async function handshake(
  change: (from: Side, at: number, bytes: Buffer) => Buffer,
): Promise<[unknown, unknown]> {
  const [left, right] = [await wires.pair(), await wires.pair()];
  for (const [from, a, b] of [
    ['dialler', left, right],
    ['acceptor', right, left],
  ] as const) {
    let at = 0;
    a.otherEnd.on('data', (bytes) => {
      b.otherEnd.write(change(from, at, bytes));
      at += bytes.length;
    });
    a.otherEnd.on('close', () => b.otherEnd.destroy());
  }
  const ends = [start('dialler', left.channelEnd), start('acceptor', right.channelEnd)] as const;
  const answers = await Promise.all(ends.map((e) => within(HANDSHAKE_MS_MAX, outcome(e))));
  for (const w of [left, right]) w.otherEnd.destroy();
  return [answers[0], answers[1]];
}

beforeAll(async () => {
  await wires.open();
  const authority = await createAuthorityCa('p1');
  members = { dialler: await member(authority, { a: 'b' }), acceptor: await member(authority, {}) };
  const heard: Record<Side, Buffer[]> = { dialler: [], acceptor: [] };
  const answers = await handshake((from, _at, bytes) => {
    heard[from].push(bytes);
    return bytes;
  });
  expect(answers).toContain('up');
  recording = { dialler: Buffer.concat(heard.dialler), acceptor: Buffer.concat(heard.acceptor) };
});
afterAll(() => wires.close());

const side = fc.constantFrom<Side[]>('dialler', 'acceptor');
const cuts = fc.array(fc.nat(8_192), { maxLength: 8 });
const leave = fc.constantFrom<('end' | 'reset')[]>('end', 'reset');
const flips = fc.array(fc.tuple(fc.nat(8_192), fc.nat(255)), { maxLength: 3 });
const noise = fc.uint8Array({ maxLength: 2_048 });
/** What the other side would hear from a node, changed here and there, cut off or with noise after it. */
const changed = (recorded: Buffer): fc.Arbitrary<Buffer> =>
  fc.tuple(flips, fc.option(fc.nat(recorded.length)), noise).map(([f, length, rest]) => {
    const bytes = Buffer.from(recorded);
    for (const [at, to] of f) bytes[at % bytes.length] = to;
    return length === null ? bytes : Buffer.concat([bytes.subarray(0, length), rest]);
  });

describe.concurrent('a channel', () => {
  it('refuses random bytes', () =>
    fc.assert(
      fc.asyncProperty(side, noise, cuts, leave, async (s, bytes, c, l) => {
        await feed(s, bytes, c, l);
      }),
      { seed: SEED, numRuns: 150 },
    ));
  it('refuses a recorded handshake, as it was and changed, in any pieces', async () => {
    for (const s of ['dialler', 'acceptor'] as const)
      await feed(s, recording[s === 'dialler' ? 'acceptor' : 'dialler'], [], 'end');
    const arbitrary = side.chain((s) =>
      fc.tuple(fc.constant(s), changed(recording[s === 'dialler' ? 'acceptor' : 'dialler'])),
    );
    await fc.assert(
      fc.asyncProperty(arbitrary, cuts, leave, async ([s, bytes], c, l) => {
        await feed(s, bytes, c, l);
      }),
      { seed: SEED, numRuns: 150 },
    );
  });
  it('gives up a peer that stays and says nothing more within the time of a handshake', async () => {
    const each = (['dialler', 'acceptor'] as const).flatMap((s) => {
      const recorded = recording[s === 'dialler' ? 'acceptor' : 'dialler'];
      const cases = fc.sample(fc.tuple(changed(recorded), cuts), { seed: SEED, numRuns: 8 });
      return cases.map(([bytes, c]) => feed(s, bytes, c, 'stay'));
    });
    await Promise.all(each);
  });
  it('ends at both sides when a handshake is changed on the way', async () => {
    const cases = fc.sample(fc.tuple(side, fc.nat(6_000), fc.integer({ min: 1, max: 255 })), {
      ...{ seed: SEED, numRuns: 40 },
    });
    const answers = await Promise.all(
      cases.map(([who, where, flip]) =>
        handshake((from, at, bytes) => {
          if (from !== who || where < at || where >= at + bytes.length) return bytes;
          const copy = Buffer.from(bytes);
          copy[where - at] = (copy[where - at] ?? 0) ^ flip;
          return copy;
        }),
      ),
    );
    for (const answer of answers.flat()) expect(answer).not.toBe('late');
    expect(answers.filter((a) => a.every((b) => b instanceof PosternError)).length).toBeGreaterThan(
      10,
    );
  });
});
