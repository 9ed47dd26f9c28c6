/** `authority`: in Postern the server is the authority of every project. */
import type { Command } from 'commander';
import { PosternError } from '../../kernel/index.ts';
import { define, family } from '../command.ts';

/** Adds the family. */
export function register(program: Command): void {
  const authority = family(program, 'authority', 'The server is the authority of every project');
  const create = define(authority, 'create [node]', 'Not supported yet: start a server instead', {
    run: () => {
      throw new PosternError('unsupported', 'authority create is not supported yet', {
        hint: 'The server is the authority: `postern server start`, then `postern enroll`',
      });
    },
  });
  create.allowUnknownOption().allowExcessArguments();
}
