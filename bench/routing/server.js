// One proxy, named by the first argument, in front of the origin on the port that the second one names.
import { listen } from '../harness.js';
import { proxies } from './proxies.js';

const [name, port] = process.argv.slice(2);
listen(await proxies[name](`http://127.0.0.1:${port}`));
