/** Values as text: JSON and numbers in the forms that Jsonnet writes. Pure. */

/** A number: whole ones by all their digits, others by 17 that count (C's `%.17g`). */
export function numberText(value: number): string {
  if (Object.is(value, -0)) return '-0';
  if (Number.isInteger(value)) return BigInt(value).toString();
  const [digits = '', exponent = '0'] = value.toExponential(16).split('e');
  const power = Number(exponent);
  if (power >= -5 && power < 17) {
    const plain = value.toFixed(Math.min(100, 16 - power));
    return plain.replace(/\.?0+$/, '');
  }
  const sign = power < 0 ? '-' : '+';
  return `${digits.replace(/\.?0+$/, '')}e${sign}${String(Math.abs(power)).padStart(2, '0')}`;
}

/** How JSON is laid out: what stands before each member, after each comma, and after each colon. */
export interface Layout {
  readonly indent: string;
  readonly newline: string;
  readonly colon: string;
}

/** JSON data as text. */
export function manifest(data: unknown, layout: Layout, prefix = ''): string {
  if (typeof data === 'number')
    return Number.isInteger(data) ? numberText(data) : JSON.stringify(data);
  if (typeof data !== 'object' || data === null) return JSON.stringify(data);
  const inner = prefix + layout.indent;
  const [open, close] = Array.isArray(data) ? '[]' : '{}';
  const members: string[] = Array.isArray(data)
    ? data.map((item) => manifest(item, layout, inner))
    : Object.entries(data).map(
        ([name, item]) => `${JSON.stringify(name)}${layout.colon}${manifest(item, layout, inner)}`,
      );
  if (members.length === 0) {
    const between = layout.newline === '' ? '' : layout.newline.repeat(2) + prefix;
    return `${open}${between}${close}`;
  }
  const joined = members.map((member) => `${layout.newline}${inner}${member}`).join(',');
  return `${open}${joined}${layout.newline}${prefix}${close}`;
}

/** JSON on one line, with a space after each comma and colon: what a value is when it is added to text. */
export function spaced(data: unknown): string {
  if (typeof data === 'number') return numberText(data);
  if (Array.isArray(data)) return data.length === 0 ? '[ ]' : `[${data.map(spaced).join(', ')}]`;
  if (typeof data !== 'object' || data === null) return JSON.stringify(data);
  const fields = Object.entries(data).map(
    ([name, item]) => `${JSON.stringify(name)}: ${spaced(item)}`,
  );
  return fields.length === 0 ? '{ }' : `{${fields.join(', ')}}`;
}
