/**
 * A logo as it may stand on our pages: bytes of a known kind, told by the bytes and by no name. Pure. INVARIANT: a logo is
 * only ever an image of its own address: never markup of a page, so that nothing in an SVG runs or reads there.
 */
import { createHash } from 'node:crypto';
import { PosternError } from '../../kernel/index.ts';

/** So that a page with it stays under 50 KB. */
export const LOGO_BYTES_MAX: number = 32 * 1024;

export interface Logo {
  /** With the hash of the bytes in it: another logo has another address. */
  readonly path: string;
  readonly type: string;
  readonly bytes: Buffer;
}

interface Kind {
  readonly type: string;
  readonly ending: string;
  readonly isIt: (bytes: Buffer) => boolean;
}

/** What comes before the root element: a mark, a declaration, comments, a document type without entities of its own. */
const SVG =
  /^\uFEFF?\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--(?:(?!-->)[\s\S])*-->\s*|<!DOCTYPE\s+svg[^>[]*>\s*)*<svg[\s>]/;
const begins = (bytes: Buffer, text: string, at = 0): boolean =>
  bytes.subarray(at, at + text.length).toString('latin1') === text;
const KINDS: readonly Kind[] = [
  { type: 'image/png', ending: 'png', isIt: (b) => begins(b, '\x89PNG\r\n\x1a\n') },
  { type: 'image/jpeg', ending: 'jpg', isIt: (b) => begins(b, '\xff\xd8\xff') },
  { type: 'image/webp', ending: 'webp', isIt: (b) => begins(b, 'RIFF') && begins(b, 'WEBP', 8) },
  { type: 'image/svg+xml', ending: 'svg', isIt: (b) => SVG.test(b.toString('utf8')) },
];

/** The logo of some bytes. Throws `invalid`: too large, empty, or of a kind that is not taken. */
export function readLogo(bytes: Buffer): Logo {
  if (bytes.length > LOGO_BYTES_MAX)
    throw new PosternError(
      'invalid',
      `the image has ${bytes.length} bytes, more than ${LOGO_BYTES_MAX}; make it smaller (it is shown 40 pixels high) or use an SVG`,
    );
  const kind = KINDS.find(({ isIt }) => isIt(bytes));
  if (kind === undefined)
    throw new PosternError('invalid', 'the image is no PNG, SVG, WebP or JPEG');
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
  return { path: `/ui/brand/${hash}.${kind.ending}`, type: kind.type, bytes };
}

/** The bytes of a `data:` URL (RFC 2397). Throws `invalid`. */
export function dataUrlBytes(url: string): Buffer {
  const [, base64, data = ''] =
    /^data:image\/[a-z+.-]+(?:;[a-z]+=[\w-]+)*(;base64)?,(.*)$/is.exec(url) ?? [];
  try {
    const bytes =
      base64 === undefined ? Buffer.from(decodeURIComponent(data)) : Buffer.from(data, 'base64');
    if (bytes.length > 0) return bytes;
  } catch {
    // Told below: what a stray % is.
  }
  throw new PosternError('invalid', 'this is no data: URL of an image');
}

/** Of a logo that is asked for by its own address: kept for good, and a document without rights when it is opened alone. */
export const LOGO_HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'public, max-age=31536000, immutable',
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox",
  'cross-origin-resource-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
};
