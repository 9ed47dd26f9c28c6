/** `keto namespace validate`: files of the permission language, and of namespaces as Keto's older versions have them. */
import { parse } from 'yaml';
import { PosternError } from '../../kernel/index.ts';
import { loadLanguage } from '../../permissions/light.ts';
import { field, list } from '../json.ts';
import type { Result } from '../output.ts';
import { readSource } from '../source-file.ts';
import { note } from '../talk.ts';
import { problemLine } from './permission-model.ts';

/** Validates files; a word for each that is valid. Throws `invalid`. */
export async function validateNamespaces(files: readonly string[]): Promise<Result> {
  for (const file of files) {
    if (/\.toml$/.test(file))
      throw new PosternError(
        'unsupported',
        `${file}: TOML is not supported: write the same as YAML`,
      );
    if (/\.(ya?ml|json)$/.test(file)) checkLegacy(file);
    else await checkLanguage(file);
  }
  const said = files.map((file) => `${file}: valid`).join('\n');
  return { plain: said, machine: said, json: { valid: true, files } };
}

async function checkLanguage(file: string): Promise<void> {
  const { compileModel } = await loadLanguage();
  const { problems } = compileModel(readSource(file));
  for (const problem of problems) note(problemLine(file, problem));
  if (problems.some((p) => p.severity === 'error'))
    throw new PosternError('invalid', `${file} is not valid`);
}

/** `{id, name}`, a list of those, or a configuration with `namespaces`. */
function checkLegacy(file: string): void {
  let value: unknown;
  try {
    value = parse(readSource(file));
  } catch (cause) {
    if (cause instanceof PosternError) throw cause;
    throw new PosternError('invalid', `${file} is neither YAML nor JSON`, { cause });
  }
  const inner = field(value, 'namespaces') ?? value;
  const namespaces = Array.isArray(inner) ? list(inner) : [inner];
  for (const [i, namespace] of namespaces.entries()) {
    const name = field(namespace, 'name');
    if (typeof name !== 'string' || name === '')
      throw new PosternError('invalid', `${file}: namespace ${i + 1} has no name`);
  }
}
