/** Whether a tuple is what the model declares: asked for by writers, and always of contextual tuples. */
import { PosternError } from '../kernel/index.ts';
import { checkRelation, getNamespace, type Model } from './model.ts';
import { printTuple, type Tuple, WILDCARD_OBJECT } from './tuple.ts';

/**
 * Throws `not_found` for an unknown namespace and `invalid` for an undeclared relation, a tuple on a permit, or a subject
 * whose type the relation does not declare. A plain subject id has no type and is taken where any type is declared.
 */
export function validateTuple(model: Model, tuple: Tuple): void {
  const namespace = getNamespace(model, tuple.namespace);
  checkRelation(namespace, tuple.relation);
  const { subject } = tuple;
  if ('set' in subject)
    checkRelation(getNamespace(model, subject.set.namespace), subject.set.relation);
  const declared = namespace.relations.get(tuple.relation);
  if (declared === undefined) return;
  const refuse = (why: string): PosternError =>
    new PosternError('invalid', `${printTuple(tuple)}: ${why}`);
  if (declared.rewrite !== undefined)
    throw refuse(`"${tuple.relation}" is a permit, and permits are computed`);
  if ('id' in subject) return;
  const isWildcard = subject.set.object === WILDCARD_OBJECT && subject.set.relation === '';
  const isDeclared = declared.types.some(
    (t) =>
      t.namespace === subject.set.namespace &&
      t.relation === subject.set.relation &&
      (!t.isWildcard || isWildcard),
  );
  if (!isDeclared) throw refuse(`"${tuple.relation}" does not declare that subject type`);
}
