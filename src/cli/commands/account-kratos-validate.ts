/** What is wrong with an identity of a file, by the rules of the administrators' API and by its own schema. */
import { compileIdentitySchema, readSpec } from '../../accounts/light.ts';
import { PosternError } from '../../kernel/index.ts';
import { text } from '../json.ts';

/** One line for each problem; none for what the server would take. `schemaOf` gets a schema by its id. */
export async function problemsOf(
  identity: unknown,
  schemaOf: (id: string) => Promise<unknown>,
): Promise<string[]> {
  const id = text(identity, 'schema_id');
  if (id === '') return ['schema_id is missing'];
  try {
    const { traits } = readSpec(identity, id);
    const schema = compileIdentitySchema(id, await schemaOf(id));
    return schema
      .problems(traits)
      .map(({ node, message }) => `${node === '' ? 'traits' : node}: ${message.text}`);
  } catch (reason) {
    if (reason instanceof PosternError && reason.code === 'invalid') return [reason.message];
    throw reason;
  }
}
