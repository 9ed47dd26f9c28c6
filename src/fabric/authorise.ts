/**
 * The one function that every surface asks. It is default-deny and knows two rules of its own: a principal that is shut
 * out may nothing, and an administrator (a standing `role` grant with the scope `admin`) may everything within the
 * grant's project, or everywhere when the grant names none. Scopes of the grant that came with the request
 * (`permissions:write`, `projects:*`, `*`) allow what they name. Further rules are handed in by their domains.
 */
import { type Clock, PosternError, systemClock } from '../kernel/index.ts';
import type { Decision, Decisions } from './decisions.ts';
import type { Grant, Grants } from './grants.ts';
import type { Principals } from './principals.ts';

export interface Question {
  readonly principalId: string;
  /** Such as `tickets:create`. */
  readonly action: string;
  /** Such as `project/<id>`. */
  readonly resource: string;
  readonly projectId?: string;
  /** The grant that came with the request; absent for a machine that proved its identity. */
  readonly grant?: Grant;
  readonly facts?: Readonly<Record<string, unknown>>;
}

/** A domain's rule: a verdict, or undefined when it has nothing to say. */
export type Rule = (
  question: Question,
) => Promise<{ isAllowed: boolean; rule: string; why: string; hint?: string } | undefined>;

export interface Authoriser {
  /** Decides and records. */
  authorise(question: Question): Promise<Decision>;
  /** Decides, and throws `denied` with the decision's id when the answer is no. */
  require(question: Question): Promise<Decision>;
  /** Asks this rule too, after the fabric's own. */
  addRule(rule: Rule): void;
}

/** Whether a scope (`permissions:write`, `permissions:*`, `*`) covers an action. */
export function scopeCovers(scope: string, action: string): boolean {
  if (scope === '*' || scope === 'admin' || scope === action) return true;
  return scope.endsWith(':*') && action.startsWith(scope.slice(0, -1));
}

/** The authoriser of a server. */
export function createAuthoriser(
  parts: { principals: Principals; grants: Grants; decisions: Decisions },
  clock: Clock = systemClock,
): Authoriser {
  const rules: Rule[] = [];

  const shutOut: Rule = async ({ principalId }) => {
    const principal = await parts.principals.find(principalId);
    if (principal?.isDisabled !== true) return undefined;
    return {
      isAllowed: false,
      rule: 'principal disabled',
      why: `${principal.name} is shut out`,
      hint: 'An administrator can let the principal in again.',
    };
  };
  const byScope: Rule = async ({ grant, action, projectId }) => {
    if (grant === undefined) return undefined;
    const isElsewhere = grant.projectId !== undefined && grant.projectId !== projectId;
    const scope = isElsewhere ? undefined : grant.scopes.find((s) => scopeCovers(s, action));
    if (scope !== undefined) {
      return { isAllowed: true, rule: `scope ${scope}`, why: `the ${grant.kind} carries it` };
    }
    // A narrow token never borrows the rights of whoever made it.
    return {
      isAllowed: false,
      rule: 'scope',
      why: `the ${grant.kind} does not carry the scope ${action}`,
      hint: `Create one with --scope ${action}.`,
    };
  };
  const byRole: Rule = async ({ principalId, projectId }) => {
    const roles = await parts.grants.list({ kind: 'role', principalId });
    const admin = roles.find(
      (g) =>
        g.scopes.includes('admin') &&
        g.revokedAtMs === undefined &&
        (g.expiresAtMs === undefined || g.expiresAtMs > clock.now()) &&
        (g.projectId === undefined || g.projectId === projectId),
    );
    if (admin === undefined) return undefined;
    return { isAllowed: true, rule: 'role admin', why: `granted by ${admin.id}` };
  };

  const decide = async (question: Question): ReturnType<Rule> => {
    for (const rule of [shutOut, byScope, byRole, ...rules]) {
      const verdict = await rule(question);
      if (verdict !== undefined) return verdict;
    }
    return undefined;
  };

  const authorise = async (question: Question): Promise<Decision> => {
    const verdict = (await decide(question)) ?? {
      isAllowed: false,
      rule: 'default deny',
      why: `no rule lets ${question.principalId} do ${question.action}`,
      hint: 'Ask an administrator for the role admin, or for a token with the scope.',
    };
    const { principalId, action, resource, facts } = question;
    return parts.decisions.record({
      principalId,
      action,
      resource,
      ...(facts === undefined ? {} : { facts }),
      ...verdict,
    });
  };

  return {
    authorise,
    require: async (question) => {
      const decision = await authorise(question);
      if (decision.isAllowed) return decision;
      throw new PosternError('denied', `Not allowed: ${decision.why}`, {
        decisionId: decision.id,
        ...(decision.hint === undefined ? {} : { hint: decision.hint }),
      });
    },
    addRule: (rule) => void rules.push(rule),
  };
}
