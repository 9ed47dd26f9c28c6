/**
 * Bodies of JSON at the token endpoints, as Auth0 takes them besides the forms of RFC 6749. They become the form that the
 * library reads. INVARIANT: only members that are plain values are passed on, so that nothing says another thing as a form
 * than it said as JSON.
 */
import { IncomingMessage } from 'node:http';
import { PosternError } from '../kernel/index.ts';

/** Where Auth0's own clients send JSON. */
const PATHS: ReadonlySet<string> = new Set(['/oauth/token', '/oauth/revoke', '/oauth/device/code']);
const FORM_TYPE = 'application/x-www-form-urlencoded';

/** Whether a request comes with JSON where a form is due. */
export function hasJsonBody({ method, url = '', headers }: IncomingMessage): boolean {
  const path = url.split('?')[0] ?? '';
  const type = headers['content-type'] ?? '';
  return method === 'POST' && PATHS.has(path) && /^application\/json\s*(;|$)/i.test(type);
}

/**
 * Reads the JSON of a request, as a form. Throws PosternError `invalid` for what is no object of texts, numbers and flags,
 * and for more than `bytesMax`.
 */
export async function readAsForm(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > bytesMax) throw new PosternError('invalid', 'The body is too long');
    chunks.push(chunk);
  }
  return Buffer.from(formOf(Buffer.concat(chunks).toString()));
}

/** The same request with a form as its body. */
export function withForm(request: IncomingMessage, form: Buffer): IncomingMessage {
  const same = new IncomingMessage(request.socket);
  Object.assign(same, {
    method: request.method,
    url: request.url,
    httpVersion: request.httpVersion,
    // Else its end would be taken for a connection that broke off, and end that.
    complete: true,
    headers: {
      ...request.headers,
      ...{ 'content-type': FORM_TYPE, 'content-length': String(form.length) },
    },
  });
  delete same.headers['transfer-encoding'];
  same.push(form);
  same.push(null);
  return same;
}

function formOf(text: string): string {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new PosternError('invalid', 'The body is no JSON');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new PosternError('invalid', 'The body is no JSON object');
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(body)) {
    if (value === null) continue;
    if (!['string', 'number', 'boolean'].includes(typeof value))
      throw new PosternError('invalid', `${name.slice(0, 100)} is no plain value`);
    form.append(name, String(value));
  }
  return form.toString();
}
