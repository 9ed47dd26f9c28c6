/**
 * The operations of Ory's client and what each may answer, as its package tells: the declared return type, and from its
 * `docs/*.md` the path and the shape for each status.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../postern.ts';
import { type Schema, TypeFile } from './type-schema.ts';

const PACKAGE = join(ROOT, 'node_modules/@ory/client');
export const API_NAMES = ['FrontendApi', 'IdentityApi', 'CourierApi', 'MetadataApi'] as const;
export type ApiName = (typeof API_NAMES)[number];

/** What a status carries: nothing, the operation's own type, or a named one. */
export type Carried = { readonly kind: 'empty' } | { readonly kind: 'own' } | Named;
export interface Named {
  readonly kind: 'named';
  readonly type: string;
}

export interface Operation {
  readonly api: ApiName;
  readonly name: string;
  readonly method: string;
  /** With `{id}` for what varies. */
  readonly path: string;
  readonly answer: Schema | undefined;
  /** By status; 0 is every other failure. */
  readonly statuses: ReadonlyMap<number, Carried>;
}

export const types: TypeFile = new TypeFile(join(PACKAGE, 'dist/api.d.ts'));

/** One row of "HTTP response details": `|**400** | loginFlow |  -  |`. */
function carried(status: number, description: string): Carried {
  if (description.startsWith('Empty responses')) return { kind: 'empty' };
  if (status >= 200 && status < 300) return { kind: 'own' };
  return { kind: 'named', type: description.charAt(0).toUpperCase() + description.slice(1) };
}

function statusesIn(section: string): ReadonlyMap<number, Carried> {
  const rows = section.matchAll(/^\|\*\*(\d+)\*\* \| ([^|]*?) +\|/gm);
  return new Map(
    [...rows].map(([, status, description = '']) => [
      Number(status),
      carried(Number(status), description),
    ]),
  );
}

function operationsOf(api: ApiName): Operation[] {
  const answers = types.methods(api);
  const text = readFileSync(join(PACKAGE, `docs/${api}.md`), 'utf8');
  const sections = new Map(
    text.split(/^# \*\*/m).map((section) => [/^\w+/.exec(section)?.[0] ?? '', section]),
  );
  const table = text.matchAll(/^\|\[\*\*(\w+)\*\*\]\([^)]*\) \| \*\*([A-Z]+)\*\* (\S+) \|/gm);
  return [...table].map(([, name = '', method = '', path = '']) => ({
    ...{ api, name, method, path },
    answer: answers.get(name),
    statuses: statusesIn(sections.get(name) ?? ''),
  }));
}

export const operations: readonly Operation[] = API_NAMES.flatMap(operationsOf);
