/** Simulates a day of each workload with three scalers. `npm run test:simulation` has more days, and checks the page. */
import { describeSimulation } from './simulation-suite.js';

// One seed holds every property that four do, and each takes nine seconds of a processor.
describeSimulation(1);
