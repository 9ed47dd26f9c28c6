/**
 * The node's policies: (resource name), then (resource type), then the default. A node of a project lets in members of
 * that project and nobody else; a node without a project has nobody to deny until it is given a policy.
 * Every denial leaves a decision: in the home, in the log, and in the report to the server. The same denial within a
 * second is counted, not repeated, so that a knocking stranger can't fill a disk.
 */
import type { Collection, PolicyRecord } from '../home/index.ts';
import { newId, PosternError } from '../kernel/index.ts';
import {
  evaluatePolicy,
  type Peer,
  type Policy,
  parsePolicy,
  peerEnvironment,
  printPolicy,
  questionsOf,
  type RelationQuestion,
} from '../trust/index.ts';
import type { PeerQuestion, RelationAnswers } from './relations.ts';

export type Side = 'inlet' | 'outlet';
export interface Denial {
  readonly id: string;
  readonly atMs: number;
  readonly side: Side | 'channel' | 'relay';
  readonly resource: string;
  readonly peer: string;
  readonly rule: string;
  readonly why: string;
  count: number;
}

const SAME_WINDOW_MS = 10_000;
const REMEMBERED_MAX = 1_000;
export const RESOURCE_TYPES = [
  'tcp-inlet',
  'tcp-outlet',
  'echoer',
  'kafka-consumer',
  'kafka-producer',
  'relay',
  'lessor',
] as const;

interface Entry {
  readonly record: PolicyRecord;
  readonly policy: Policy;
  readonly questions: readonly RelationQuestion[];
}

export class PolicyBook {
  readonly #records: Collection<PolicyRecord>;
  readonly #entries = new Map<string, Entry>();
  readonly #hasAuthority: boolean;
  readonly #node: string;
  readonly #relations: RelationAnswers;
  readonly #recent = new Map<string, Denial>();
  readonly #onDenial: (denial: Denial) => void;

  constructor(o: {
    records: Collection<PolicyRecord>;
    hasAuthority: boolean;
    node: string;
    relations: RelationAnswers;
    onDenial(denial: Denial): void;
  }) {
    this.#records = o.records;
    this.#hasAuthority = o.hasAuthority;
    this.#node = o.node;
    this.#relations = o.relations;
    this.#onDenial = o.onDenial;
    for (const record of o.records.list()) this.#keep(record, parsePolicy(record.expression));
  }

  /** Creates or replaces; answers it as it prints. Throws `invalid`. */
  put(name: string, isType: boolean, text: string): PolicyRecord {
    const policy = parsePolicy(text);
    const record = { name, isType, expression: printPolicy(policy) };
    this.#records.put(record);
    this.#keep(record, policy);
    return record;
  }
  #keep(record: PolicyRecord, policy: Policy): void {
    this.#entries.set(record.name, { record, policy, questions: questionsOf(policy) });
  }
  get(name: string): PolicyRecord {
    return this.#records.get(name);
  }
  list(): PolicyRecord[] {
    return this.#records.list();
  }
  delete(name: string): void {
    this.#records.delete(name);
    this.#entries.delete(name);
  }

  #entry(side: Side, resource: string): Entry | undefined {
    return this.#entries.get(resource) ?? this.#entries.get(`tcp-${side}`);
  }

  /** What the policy asks about relations of this peer. */
  questions(side: Side, resource: string, peer: Peer): readonly PeerQuestion[] {
    const questions = this.#entry(side, resource)?.questions ?? [];
    return questions.map((q) => ({ ...q, peer: peer.identifier }));
  }

  /** Whether `check` can be asked at once. */
  isPrepared(side: Side, resource: string, peer: Peer): boolean {
    const { questions = [] } = this.#entry(side, resource) ?? {};
    return this.#relations.isFresh(peer.identifier, questions);
  }

  /** Undefined when `check` can be asked at once; else it can when the promise resolves. */
  prepare(side: Side, resource: string, peer: Peer): Promise<void> | undefined {
    const questions = this.questions(side, resource, peer);
    if (this.#relations.isFresh(peer.identifier, questions)) return undefined;
    return this.#relations.refresh(questions);
  }

  /**
   * Asks; throws `denied` with the decision's id and what would have made it pass. What is new needs answers about
   * relations that are fresh (`prepare`); what is live may rest on older ones for a while.
   */
  check(side: Side, resource: string, peer: Peer, isLive: boolean = false): void {
    const entry = this.#entry(side, resource);
    if (entry === undefined) {
      if (!this.#hasAuthority || peer.hasCredential) return;
      throw this.deny(
        side,
        resource,
        peer.identifier,
        'default: subject.has_credential',
        'needs a credential of this project, the peer has none',
      );
    }
    const answer = isLive
      ? this.#relations.of(peer.identifier)
      : this.#relations.freshOf(peer.identifier);
    const verdict = evaluatePolicy(entry.policy, peerEnvironment(peer, resource), answer);
    if (verdict.allowed) return;
    throw this.deny(
      side,
      resource,
      peer.identifier,
      `policy ${entry.record.name}: ${entry.record.expression}`,
      verdict.why,
    );
  }

  /** Records a denial; answers the error to throw. */
  deny(
    side: Denial['side'],
    resource: string,
    peer: string,
    rule: string,
    why: string,
  ): PosternError {
    const key = JSON.stringify([side, resource, peer, rule]);
    const now = Date.now();
    let denial = this.#recent.get(key);
    if (denial !== undefined && now - denial.atMs < SAME_WINDOW_MS) denial.count++;
    else {
      denial = { id: newId('dec'), atMs: now, side, resource, peer, rule, why, count: 1 };
      const [oldest] = this.#recent.keys();
      if (this.#recent.size >= REMEMBERED_MAX && oldest !== undefined) this.#recent.delete(oldest);
      this.#recent.delete(key);
      this.#recent.set(key, denial);
      this.#onDenial(denial);
    }
    return new PosternError(
      'denied',
      `Denied by the ${side}'s policy at node ${this.#node}: ${why}`,
      {
        decisionId: denial.id,
        hint: `postern policy show ${rule.startsWith('policy ') ? rule.slice(7).split(':')[0] : `tcp-${side}`} --at ${this.#node} · postern explain ${denial.id}`,
      },
    );
  }
}
