/** `npm run bench -- portals|cli [options]`: what is measured, side by side in one run. */
import { runCliBench } from './cli/run.ts';
import { runPortalsBench } from './portals/run.ts';

const [what = 'portals', ...options] = process.argv.slice(2);
const BENCHES: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  cli: runCliBench,
  portals: runPortalsBench,
};
const bench = BENCHES[what];
if (bench === undefined) {
  console.error(`bench knows: ${Object.keys(BENCHES).join(', ')}`);
  process.exit(64);
}
await bench(options);
