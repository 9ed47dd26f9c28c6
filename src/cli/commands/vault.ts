/** `vault`: where the private keys of identities are kept. */
import type { Command } from 'commander';
import { newName, PosternError } from '../../kernel/index.ts';
import { openHomeOnce } from '../access.ts';
import { define, family } from '../command.ts';
import { table } from '../output.ts';
import { confirm, done } from '../talk.ts';
import { notSupported } from './unsupported.ts';

interface VaultRow {
  readonly name: string;
  readonly path?: string | null | undefined;
  readonly isDefault: boolean;
}

const toJson = (v: VaultRow): unknown => ({
  vault: {
    name: v.name,
    path: v.path ?? null,
    is_default: v.isDefault,
    use_aws_kms: 'No',
  },
});

/** Adds the family. */
export function register(program: Command): void {
  const vault = family(program, 'vault', 'Manage where private keys are kept');

  define(vault, 'create [name]', 'Create a vault', {
    options: [
      ['--path <path>', 'keep its keys in a file of its own'],
      ['--aws-kms', 'keep its keys in AWS KMS', 'hidden'],
    ],
    run: ({ args, flags }) => {
      if (flags.has('awsKms')) throw notSupported('--aws-kms');
      const path = flags.text('path');
      const record = openHomeOnce().vaults.create(
        args[0] ?? newName(),
        path === undefined ? {} : { path },
      );
      done(`Vault ${record.name} created`);
      return { machine: record.name, json: toJson(record) };
    },
  });

  define(vault, 'show [name]', 'Show a vault', {
    run: ({ args }) => {
      const record = openHomeOnce().vaults.get(args[0]);
      return { plain: `Vault ${record.name}: ${record.path ?? "in the home's database"}`, json: toJson(record) };
    },
  });

  define(vault, 'list', 'List the vaults', {
    run: () => {
      const rows = openHomeOnce().vaults.list();
      return {
        plain: table(
          ['NAME', 'KEPT IN', ''],
          rows.map((v) => [v.name, v.path ?? "the home's database", v.isDefault ? 'default' : '']),
          'No vaults yet. The first one is made when it is needed.',
        ),
        json: rows.map(toJson),
      };
    },
  });

  define(vault, 'move <name>', "Move a vault's file", {
    options: [['--path <path>', 'the new path', 'required']],
    run: ({ args, flags }) => {
      const name = args[0] ?? '';
      const path = flags.required('path');
      openHomeOnce().vaults.move(name, path);
      done(`Vault ${name} moved to ${path}`);
      return { machine: name, json: { name, path } };
    },
  });

  define(vault, 'delete <name>', 'Delete a vault', {
    options: [['-y, --yes', 'do not ask']],
    run: async ({ args, flags }) => {
      const home = openHomeOnce();
      const record = home.vaults.get(args[0]);
      const user = home.identities.list().find((i) => i.vaultName === record.name);
      if (user !== undefined)
        throw new PosternError(
          'conflict',
          `The vault ${record.name} keeps the key of the identity ${user.name}`,
        );
      if (!(await confirm(`Delete the vault ${record.name}?`, flags.has('yes')))) return undefined;
      home.vaults.delete(record.name);
      done(`Vault ${record.name} deleted`);
      return { machine: record.name, json: { name: record.name } };
    },
  });
}
