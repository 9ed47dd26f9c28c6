/** Test worlds of the permissions domain: reads the three formats, finds out which one a file is in, and runs them. */
import { PosternError } from '../../kernel/index.ts';
import { type Field, parseYaml } from './fields.ts';
import { readOpenFgaWorld } from './openfga.ts';
import { readPosternWorld } from './postern-format.ts';
import { readSpiceDbWorld } from './spicedb.ts';
import type { World, WorldEnvironment, WorldFormat } from './world.ts';

export { type AssertionReport, runWorld, type TestReport, type WorldReport } from './run.ts';
export {
  type Assertion,
  type CompileModel,
  WORLD_FORMATS,
  type World,
  type WorldEnvironment,
  type WorldFormat,
  type WorldTest,
} from './world.ts';

/**
 * Reads a world. Without a format it is found out: `schema` or `relationships` are SpiceDB's, a model that begins with
 * `model` and `schema`, or a file `*.fga`, is OpenFGA's. Throws `invalid`, which names the place, and `unsupported` for
 * caveats, conditions and modules.
 */
export function readWorld(
  text: string,
  environment: WorldEnvironment,
  format?: WorldFormat,
): World {
  const root = parseYaml(text);
  if (!root.isMap) throw new PosternError('invalid', 'A world is a map with a model and tests');
  switch (format ?? formatOf(root)) {
    case 'openfga':
      return readOpenFgaWorld(root, environment);
    case 'spicedb':
      return readSpiceDbWorld(root, environment);
    case 'postern':
      return readPosternWorld(root, environment);
  }
}

function formatOf(root: Field): WorldFormat {
  const fields = new Map(root.entries());
  const textOf = (key: string): string => {
    const value = fields.get(key)?.value;
    return typeof value === 'string' ? value : '';
  };
  if (['schema', 'schemaFile', 'relationships'].some((key) => fields.has(key))) return 'spicedb';
  const model = textOf('model')
    .replace(/^[ \t]*#[^\n]*/gm, '')
    .trimStart();
  const isOpenFga =
    /^(?:model\s+schema|module)\s/.test(model) ||
    /\.fga$|(^|\/)fga\.mod$/.test(textOf('model_file'));
  return isOpenFga ? 'openfga' : 'postern';
}
