/**
 * Reads requests to other servers in a kratos.yml: a web hook's `config`, the courier's `request_config`. Bodies are
 * compiled here, so that a fault in one shows at the start. INVARIANT: what is wrong is refused by its place in the file.
 */
import { PosternError } from '../../kernel/index.ts';
import { compileJsonnet, type Program } from '../jsonnet/index.ts';
import { FORM_TYPE, type OutgoingRequest, type RequestAuth } from '../outgoing/request.ts';
import type { Part } from './part.ts';
import type { Load } from './read.ts';

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'];

function fault(part: Part, why: string): PosternError {
  return new PosternError('unsupported', `kratos.yml: ${part.path}: ${why}`);
}

/** A request; its method is needed unless `method` stands in for it. Throws, naming the key. */
export async function requestOf(part: Part, load: Load, method = ''): Promise<OutgoingRequest> {
  const text = part.at('url').text() ?? '';
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol))
    throw fault(part.at('url'), 'is no http or https address');
  const verb = (part.at('method').text() ?? method).toUpperCase();
  if (!METHODS.includes(verb)) throw fault(part.at('method'), `is none of ${METHODS.join(', ')}`);
  const given = part.at('headers');
  const headers = new Map(
    given.keys().map((name) => [name.toLowerCase(), given.at(name).text() ?? '']),
  );
  const source = part.at('body').text();
  const type = headers.get('content-type') ?? 'application/json';
  if (source !== undefined && type !== 'application/json' && type !== FORM_TYPE)
    throw fault(given, `with a body, Content-Type is application/json or ${FORM_TYPE}`);
  return {
    ...{ url, method: verb, headers },
    body: source === undefined ? undefined : await programOf(part.at('body'), source, load),
    auth: authOf(part.at('auth')),
  };
}

async function programOf(part: Part, source: string, load: Load): Promise<Program> {
  let program: string;
  try {
    program = await load(source);
  } catch (cause) {
    throw new PosternError('invalid', `kratos.yml: ${part.path} can't be read`, { cause });
  }
  try {
    return compileJsonnet(program);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'is no Jsonnet';
    throw new PosternError('invalid', `kratos.yml: ${part.path}: ${why}`, { cause });
  }
}

function authOf(part: Part): RequestAuth | undefined {
  if (!part.isThere || part.keys().length === 0) return undefined;
  const type = part.at('type').oneOf(['api_key', 'basic_auth']);
  const config = part.at('config');
  const needed = (name: string): string => {
    const text = config.at(name).text();
    if (text === undefined) throw fault(config.at(name), 'is missing');
    return text;
  };
  if (type === 'basic_auth') return { type, user: needed('user'), password: needed('password') };
  if (type === undefined) throw fault(part.at('type'), 'is missing');
  return {
    type,
    name: needed('name'),
    value: needed('value'),
    in: config.at('in').oneOf(['header', 'cookie']) ?? 'header',
  };
}
