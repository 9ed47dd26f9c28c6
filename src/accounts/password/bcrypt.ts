/**
 * The door to @node-rs/bcrypt, opened when the first bcrypt hash comes: its native part is an optional dependency, which
 * an installation may have left out, and a server that has no such hash must not fail for it. It must never be called
 * but through the queue.
 */
import { createRequire } from 'node:module';
import { PosternError } from '../../kernel/index.ts';

type Bcrypt = typeof import('@node-rs/bcrypt');

let loaded: Bcrypt | undefined;

/**
 * The library.
 * @throws PosternError `unavailable` when its native part is not installed here
 */
export function bcrypt(): Bcrypt {
  try {
    loaded ??= createRequire(import.meta.url)('@node-rs/bcrypt') as Bcrypt;
    return loaded;
  } catch (cause) {
    throw new PosternError('unavailable', 'The native part of bcrypt is not installed', {
      hint: 'Install without --omit=optional: @node-rs/bcrypt brings it as an optional dependency',
      cause,
    });
  }
}
