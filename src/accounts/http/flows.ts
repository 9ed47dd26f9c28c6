/**
 * The self-service flows over HTTP (reference: Kratos's public API): begin, read, submit, in the browser, SPA and API
 * flavours, each in its room of flows/. The rules stand in ../flows/; this is their dialect.
 */
import type { FastifyInstance } from 'fastify';
import { FLOW_KINDS } from '../flows/flow.ts';
import type { AccountsManager } from '../manager.ts';
import { FlowBeginnings } from './flows/begin.ts';
import { MailedLinks } from './flows/mailed-link.ts';
import { FlowReadings } from './flows/read.ts';
import type { SharedWith } from './flows/site.ts';
import { FlowSubmissions } from './flows/submit.ts';

/** Adds the routes of all flows. */
export function addFlowRoutes(
  app: FastifyInstance,
  manager: AccountsManager,
  isShared: SharedWith,
): void {
  const beginnings = new FlowBeginnings(manager);
  const readings = new FlowReadings(manager);
  const submissions = new FlowSubmissions(manager, beginnings, isShared);
  const links = new MailedLinks(manager, beginnings);
  for (const kind of FLOW_KINDS) {
    const base = `/self-service/${kind}`;
    app.get(`${base}/browser`, (q, r) => beginnings.begin(kind, 'browser', q, r));
    app.get(`${base}/api`, (q, r) => beginnings.begin(kind, 'api', q, r));
    app.get(`${base}/flows`, (q, r) => readings.read(kind, q, r));
    app.post(base, (q, r) => submissions.submit(kind, q, r));
    if (kind === 'verification' || kind === 'recovery')
      app.get(base, (q, r) => links.open(kind, q, r));
    if (kind === 'settings') app.get(base, (q, r) => submissions.resume(q, r));
  }
}
