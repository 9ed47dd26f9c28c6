/**
 * An operator's own templates (reference: Kratos's `courier.templates` and `template_override_path`), compiled when the
 * configuration is read. INVARIANT: a template that fails with somebody's data gives way to the built-in text, so that its
 * mistake keeps nobody out; what it failed on is logged by place and never by words.
 */
import { type Logger, PosternError } from '../../kernel/index.ts';
import type { JsonObject, Via } from '../account.ts';
import type { TemplateType } from '../services.ts';
import { parseTemplate, type Template, type TemplateSource } from './go-template.ts';
import { fieldsOf } from './message-fields.ts';
import type { Rendered } from './templates.ts';

const SUBJECT_MAX = 300;

export type TemplatePart = 'subject' | 'plaintext' | 'html' | 'sms';
export const TEMPLATE_PARTS: readonly TemplatePart[] = ['subject', 'plaintext', 'html', 'sms'];

/** By kind of message and part: `recovery_code_valid subject`. */
export type OwnTemplates = ReadonlyMap<string, Template>;

export function templateKey(type: TemplateType, part: TemplatePart): string {
  return `${type} ${part}`;
}

/** Compiles a part of a message. Throws `invalid` with file and line. */
export function compilePart(
  type: TemplateType,
  part: TemplatePart,
  entry: string,
  sources: readonly TemplateSource[],
): Template {
  return parseTemplate(entry, sources, { isHtml: part === 'html', fields: fieldsOf(type) });
}

/** One line without control characters: a subject is a header. */
function subjectLine(text: string): string {
  const line = text
    .toWellFormed()
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim();
  return [...line].slice(0, SUBJECT_MAX).join('');
}

/** A message with the operator's parts in the place of built-in ones. */
export function withOwn(
  own: OwnTemplates,
  message: { readonly type: TemplateType; readonly via: Via; readonly fields: JsonObject },
  builtIn: Rendered,
  logger: Logger,
): Rendered {
  const { type, via, fields } = message;
  const made = (part: TemplatePart): string | undefined => {
    const template = own.get(templateKey(type, part));
    try {
      return template?.render(fields);
    } catch (reason) {
      const facts = reason instanceof PosternError ? reason.facts : {};
      const { file, line } = facts;
      logger.error(
        { type, part, file, line },
        'a message template failed; the built-in one is used',
      );
      return undefined;
    }
  };
  if (via === 'sms') return { ...builtIn, body: made('sms') ?? builtIn.body };
  const subject = made('subject');
  return {
    subject: subject === undefined ? builtIn.subject : subjectLine(subject),
    body: made('plaintext') ?? builtIn.body,
    html: made('html') ?? builtIn.html,
  };
}
