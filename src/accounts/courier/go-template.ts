/**
 * Message templates in the language of Go's text/template and html/template, as far as the files that people keep for
 * Kratos use it: fields, variables, pipelines, if, else, with, range, define, block, template, trim markers, comments,
 * the functions of template/functions.ts. What is not of the subset is refused when a file is loaded, with its line.
 * Pure; work is bounded. Knows nothing of mail.
 */
import { checkTemplate } from './template/check.ts';
import { parseFile } from './template/parser.ts';
import { renderTemplate } from './template/render.ts';
import type { Node } from './template/syntax.ts';
import type { Value } from './template/value.ts';

/** One file of a template, or another text with a name for error messages. */
export interface TemplateSource {
  readonly name: string;
  readonly source: string;
}

export interface TemplateOptions {
  /** Whether values are escaped for HTML, each for its place. */
  readonly isHtml: boolean;
  /** The fields of the data; asking for another is an error at loading. Without it nothing is known of them. */
  readonly fields?: readonly string[];
}

export interface Template {
  /** Fills in `data`. Throws `invalid` with file and line when the data do not fit the template. */
  render(data: Value): string;
}

/**
 * Parses and checks a template. `sources` are files whose definitions see each other, a later one winning over an
 * earlier; `entry` is the name of the one that is rendered. Throws `invalid` with file and line.
 */
export function parseTemplate(
  entry: string,
  sources: readonly TemplateSource[],
  options: TemplateOptions,
): Template {
  const definitions = new Map<string, readonly Node[]>();
  for (const { name, source } of sources) parseFile(name, source, definitions);
  const fields = options.fields === undefined ? undefined : new Set(options.fields);
  checkTemplate(definitions, entry, { isHtml: options.isHtml, fields });
  return { render: (data) => renderTemplate(definitions, entry, options.isHtml, data) };
}
