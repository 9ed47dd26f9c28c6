/**
 * Either end of a checksummed transfer as a process, for tests across network namespaces. `target` prints its port and
 * then a verdict a line; `app PORT UP DOWN` transfers once and prints its verdict; both are JSON.
 */
import { TransferTarget } from './transfer.ts';

const [role = '', ...rest] = process.argv.slice(2);
const target = new TransferTarget((verdict) => console.log(JSON.stringify(verdict)));
if (role === 'target') {
  await target.listen();
  console.log(JSON.stringify({ port: target.port }));
} else {
  const [port = 0, up = 0, down = 0] = rest.map(Number);
  console.log(JSON.stringify(await target.asApp(port, { up, down })));
  process.exit(0);
}
