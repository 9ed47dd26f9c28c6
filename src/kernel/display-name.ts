/**
 * Names that people read, and decide by: of applications, keys, services, tokens. Pure. Characters that show nothing or turn
 * the direction of writing (Unicode TR 36, section 2.9) let a name read as another one on a consent page or in a list, so
 * they are refused, but for joiners and selectors where scripts and emoji need them.
 */
import { PosternError } from './errors.ts';

/** What scripts need inside of words (RFC 5892 appendix A.1, A.2), and emoji between their parts. */
const NEEDED =
  /(?<=[\p{Script=Arabic}\p{Script=Syriac}\p{Script=Mongolian}\p{Mn}\p{Mc}\p{Extended_Pictographic}\p{Emoji_Modifier}])[\u200c\u200d](?=\S)|(?<=[\p{Emoji}\p{Extended_Pictographic}])\ufe0f/gu;
/** Controls, private use, lone surrogates, line ends, fillers and whatever else shows nothing. */
const UNSHOWN =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800\ufff9-\ufffc]/u;

/** Whether every character of a text is one that is seen as what it is. */
export function isShown(text: string): boolean {
  return !UNSHOWN.test(text.replace(NEEDED, ''));
}

/**
 * A name as it is kept: trimmed. Throws `invalid`.
 *
 * @param what such as `An application's name`
 * @param lengthMax in UTF-16 units
 * @param field where it was typed, a fact of the refusal
 */
export function checkDisplayName(
  text: string,
  what: string,
  lengthMax: number,
  field?: string,
): string {
  const facts = field === undefined ? {} : { field };
  const name = text.length > lengthMax * 2 ? '' : text.trim();
  if (name === '' || name.length > lengthMax)
    throw new PosternError('invalid', `${what} has 1 to ${lengthMax} characters`, { facts });
  if (!isShown(name))
    throw new PosternError(
      'invalid',
      `${what} has characters that are not seen, or that turn the direction of writing`,
      { facts, hint: 'Type it anew: such characters often come along when a text is copied' },
    );
  return name;
}
