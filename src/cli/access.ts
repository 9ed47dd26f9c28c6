/** What nearly every command needs: this user's home, which node is meant, and a question to that node. */
import { type Home, openHome } from '../home/index.ts';
import { PosternError } from '../kernel/index.ts';
import { nodeRequest } from '../node/client-index.ts';
import { parseNodeArgument } from '../trust/light.ts';

let home: Home | undefined;

/** The home of this run, opened at its first use. */
export function openHomeOnce(): Home {
  home ??= openHome();
  return home;
}

/** Closes the home, so that the next use opens it anew (after a reset, or when another process wrote it). */
export function closeHome(): void {
  home?.close();
  home = undefined;
}

/** The node that an argument means: `n1`, `/node/n1`, or the default. Throws `not_found`. */
export function nodeNamed(given?: string): string {
  const { nodes } = openHomeOnce();
  const name = given === undefined ? nodes.default?.name : parseNodeArgument(given);
  if (name === undefined)
    throw new PosternError('not_found', 'There is no node yet', {
      hint: 'Create one: `postern node create`',
    });
  if (nodes.find(name) === undefined)
    throw new PosternError('not_found', `The node ${name} was not found`, {
      hint: 'See which there are: `postern node list`',
    });
  return name;
}

/** Asks a node. Throws what the node answered, or `unavailable` when it does not run. */
export function callNode(
  name: string,
  method: 'GET' | 'POST' | 'DELETE' | 'PUT',
  path: string,
  body?: unknown,
): Promise<unknown> {
  return nodeRequest(openHomeOnce().nodeSocketPath(name), method, path, body);
}

/** A path segment from text that may hold anything. */
export function segment(value: string): string {
  return encodeURIComponent(value);
}
