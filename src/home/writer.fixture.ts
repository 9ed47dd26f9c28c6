/** For tests: one of several processes in one home. It takes the defaults, adds its own records, and says what it got. */
import { openHome } from './index.ts';

const [path = '', name = '', count = '0'] = process.argv.slice(2);
process.once('message', () => {
  const home = openHome(path);
  const { identifier } = home.identity();
  for (let n = 0; n < Number(count); n++) {
    home.createIdentity(`${name}-${n}`);
    home.outlets(`node-${n}`).create({ name, to: '127.0.0.1:1', tls: false });
    home.setSetting('last', name);
  }
  process.send?.({ identifier }, () => {
    home.close();
    process.disconnect();
  });
});
process.send?.('ready');
