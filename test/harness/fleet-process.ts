/**
 * Many nodes in one process, each with a home, an identity, a relay of its own name and an outlet `outlet`:
 * `FOLDER TICKET FIRST END TARGET`, numbered FIRST up to END. Prints `{up}` when every one holds its relay, and lives until its input ends.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { enrollWithTicket } from '../../src/control/index.ts';
import { openHome } from '../../src/home/index.ts';
import { silentLogger } from '../../src/kernel/index.ts';
import { NodeAgent } from '../../src/node/index.ts';
import { parseTicket } from '../../src/trust/index.ts';

const [folder = '', ticketLine = '', first = '', last = '', target = ''] = process.argv.slice(2);
const ticket = parseTicket(ticketLine);
/** They share one event loop, which keys and disk flushes block; the server wants the first bytes within a second. */
const JOINING_AT_ONCE = 2;
const UP_MS = 120_000;

async function startNode(i: number): Promise<NodeAgent> {
  const name = `n${i}`;
  const home = openHome(join(folder, name));
  const identity = home.createIdentity(name);
  const { grant, leafPrivateKeyPem } = await enrollWithTicket(ticket, home.identityKeys(identity));
  const { project } = grant;
  const key = `${identity.identifier}@${project.id}`;
  const owner = { identifier: identity.identifier, projectId: project.id };
  home.projects.put({
    name: project.name,
    id: project.id,
    spaceId: project.space_id,
    spaceName: project.space_name,
    serverAddresses: project.server_addresses,
    serverCaPem: project.server_ca_pem,
    authorityIdentifier: project.authority_identifier,
    authorityChangeHistoryHex: project.authority_change_history,
    authorityCertificatePem: project.authority_certificate_pem,
  });
  home.credentials.put({
    name: key,
    ...owner,
    leafPrivateKeyPem,
    certificatePem: grant.certificate_pem,
    attributes: grant.attributes,
    notAfterMs: grant.not_after_ms,
  });
  home.enrolments.put({ name: key, ...owner, role: grant.role });
  home.nodes.put({ name, identityName: name, tcpListenerAddress: '127.0.0.1:0' });
  home.outlets(name).create({ name: 'outlet', to: `127.0.0.1:${target}`, tls: false });
  home.relays(name).put({ name, at: `/project/${project.name}` });
  const agent = new NodeAgent({ home, name, logger: silentLogger });
  await agent.start();
  return agent;
}

const agents: NodeAgent[] = [];
let next = Number(first);
await Promise.all(
  Array.from({ length: JOINING_AT_ONCE }, async () => {
    for (let i = next++; i < Number(last); i = next++) agents.push(await startNode(i));
  }),
);
const end = Date.now() + UP_MS;
const isUp = (agent: NodeAgent): boolean => agent.relays.every((r) => r.isUp);
while (!agents.every(isUp) && Date.now() < end) await sleep(50);
console.log(JSON.stringify({ up: agents.filter(isUp).length }));
process.stdin.on('end', () => process.exit(0)).resume();
