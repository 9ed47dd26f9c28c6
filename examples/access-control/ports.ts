/** Prints the ports that are asked for; free ones in place of all of them when one is taken. */
import { createServer, type Server } from 'node:net';

const wanted = process.argv.slice(2).map(Number);
const held: Server[] = [];

function hold(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      held.push(server);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}

const isFree = process.env['EXAMPLE_FREE_PORTS'] === '1';
const ports = await Promise.all(wanted.map((port) => hold(isFree ? 0 : port))).catch(() =>
  Promise.all(wanted.map(() => hold(0))),
);
for (const server of held) server.close();
console.log(ports.join(' '));
