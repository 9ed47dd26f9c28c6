/** Machines of one's own: network namespaces on one bridge, each with an address and a cable that can be pulled. Root. */

import { DEBIAN_PATH } from './peers.ts';
import { execute, type Outcome } from './postern.ts';

export class Machines {
  readonly #tag: string = `pt${process.pid}`;
  readonly #names: string[] = [];

  #ip(...args: string[]): Promise<Outcome> {
    return execute('ip', args, { ...process.env, PATH: DEBIAN_PATH });
  }
  async #must(...args: string[]): Promise<void> {
    const outcome = await this.#ip(...args);
    if (outcome.code !== 0) throw new Error(`ip ${args.join(' ')}: ${outcome.stderr}`);
  }
  #namespace(name: string): string {
    return `${this.#tag}-${name}`;
  }

  /** Makes machines `10.77.0.1`, `.2` and so on, in the order of their names. */
  async start(names: readonly string[]): Promise<void> {
    const hub = this.#namespace('hub');
    this.#names.push('hub');
    await this.#must('netns', 'add', hub);
    await this.#must('-n', hub, 'link', 'add', 'br0', 'type', 'bridge');
    await this.#must('-n', hub, 'link', 'set', 'br0', 'up');
    for (const [i, name] of names.entries()) {
      const own = this.#namespace(name);
      this.#names.push(name);
      await this.#must('netns', 'add', own);
      await this.#must(
        ...[
          '-n',
          hub,
          'link',
          'add',
          `v${i}`,
          'type',
          'veth',
          'peer',
          'name',
          'eth0',
          'netns',
          own,
        ],
      );
      await this.#must('-n', hub, 'link', 'set', `v${i}`, 'master', 'br0', 'up');
      await this.#must('-n', own, 'addr', 'add', `10.77.0.${i + 1}/24`, 'dev', 'eth0');
      await this.#must('-n', own, 'link', 'set', 'eth0', 'up');
      await this.#must('-n', own, 'link', 'set', 'lo', 'up');
    }
  }

  /** What goes in front of a command to run it on a machine. */
  place(name: string): readonly string[] {
    return ['ip', 'netns', 'exec', this.#namespace(name)];
  }

  /** Pulls a machine's cable, or puts it back. */
  async link(name: string, state: 'up' | 'down'): Promise<void> {
    const index = this.#names.indexOf(name) - 1;
    await this.#must('-n', this.#namespace('hub'), 'link', 'set', `v${index}`, state);
  }

  /** Limits what a machine sends and receives, such as `4mbit`. */
  async limit(name: string, rate: string): Promise<void> {
    const shape = ['root', 'tbf', 'rate', rate, 'burst', '32kb', 'latency', '400ms'];
    for (const [namespace, device] of [
      [this.#namespace('hub'), `v${this.#names.indexOf(name) - 1}`],
      [this.#namespace(name), 'eth0'],
    ] as const) {
      const args = ['-n', namespace, 'qdisc', 'replace', 'dev', device, ...shape];
      const outcome = await execute('tc', args, { ...process.env, PATH: DEBIAN_PATH });
      if (outcome.code !== 0) throw new Error(`tc ${args.join(' ')}: ${outcome.stderr}`);
    }
  }

  async stop(): Promise<void> {
    for (const name of this.#names.splice(0))
      await this.#ip('netns', 'delete', this.#namespace(name));
  }
}
