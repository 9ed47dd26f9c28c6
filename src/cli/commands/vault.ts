/** `vault`: where the private keys of identities are kept. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import {
  createVaultFile,
  deleteVaultFile,
  type Home,
  moveVaultFile,
  type VaultRecord,
} from '../../home/index.ts';
import { newName, PosternError } from '../../kernel/index.ts';
import { openHomeOnce } from '../access.ts';
import { define, family } from '../command.ts';
import { table } from '../output.ts';
import { confirm, done } from '../talk.ts';
import { notSupported } from './unsupported.ts';

const toJson = (home: Home, v: VaultRecord): unknown => ({
  vault: {
    name: v.name,
    path: v.path ?? null,
    is_default: home.vaults.isDefault(v.name),
    use_aws_kms: 'No',
  },
});

/** Makes a vault's file; when that fails there is no vault either. */
function makeFile(home: Home, name: string, path: string): void {
  try {
    createVaultFile(path);
  } catch (error) {
    home.vaults.delete(name);
    throw error;
  }
}

/** Adds the family. */
export function register(program: Command): void {
  const vault = family(program, 'vault', 'Manage where private keys are kept', [
    'vault create --path keys.sqlite3',
    'vault list',
  ]);

  define(vault, 'create [name]', 'Create a vault', {
    options: [
      ['--path <path>', 'keep its keys in a file of its own'],
      ['--aws-kms', 'keep its keys in AWS KMS', 'hidden'],
    ],
    run: ({ args, flags }) => {
      if (flags.has('awsKms')) throw notSupported('--aws-kms');
      const path = flags.text('path');
      const home = openHomeOnce();
      const record = {
        name: args[0] ?? newName(),
        ...(path === undefined ? {} : { path: resolve(path) }),
      };
      home.vaults.create(record);
      if (record.path !== undefined) makeFile(home, record.name, record.path);
      done(`Vault ${record.name} created`);
      return { machine: record.name, json: { name: record.name } };
    },
  });

  define(vault, 'show [name]', 'Show a vault', {
    run: ({ args }) => {
      const home = openHomeOnce();
      const record = home.vault(args[0]);
      return {
        plain: `Vault ${record.name}: ${record.path ?? "in the home's database"}`,
        json: toJson(home, record),
      };
    },
  });

  define(vault, 'list', 'List the vaults', {
    run: () => {
      const home = openHomeOnce();
      const rows = home.vaults.list();
      return {
        plain: table(
          ['NAME', 'KEPT IN', ''],
          rows.map((v) => [
            v.name,
            v.path ?? "the home's database",
            home.vaults.isDefault(v.name) ? 'default' : '',
          ]),
          'No vaults yet. The first one is made when it is needed.',
        ),
        json: rows.map((v) => toJson(home, v)),
      };
    },
  });

  define(vault, 'move <name>', "Move a vault's file", {
    options: [['--path <path>', 'the new path', 'required']],
    run: ({ args, flags }) => {
      const name = args[0] ?? '';
      const path = flags.required('path');
      const home = openHomeOnce();
      const from = home.vaults.get(name).path;
      if (from === undefined)
        throw new PosternError(
          'conflict',
          `The vault ${name} is in the home's database and can't be moved`,
        );
      // A file that was moved by hand is taken where it is now.
      if (existsSync(from) || !existsSync(resolve(path))) moveVaultFile(from, resolve(path));
      home.vaults.put({ name, path: resolve(path) });
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
      if (record.path !== undefined) deleteVaultFile(record.path);
      done(`Vault ${record.name} deleted`);
      return { machine: record.name, json: { name: record.name } };
    },
  });
}
