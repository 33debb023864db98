/** The resource use of this process between two readings. */
import type { Levels } from './step.js';

export class ProcessMeter {
  #cpu = process.cpuUsage();
  #loop = performance.eventLoopUtilization();
  #at = performance.now();

  /** Shares since the previous reading, and bytes now. */
  read(): Pick<Levels, 'cpu' | 'loop' | 'rss'> {
    const now = performance.now();
    const used = process.cpuUsage(this.#cpu);
    const loop = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(loop, this.#loop);
    const elapsed = now - this.#at;
    this.#cpu = process.cpuUsage();
    this.#loop = loop;
    this.#at = now;
    const cpu = elapsed > 0 ? (used.user + used.system) / 1000 / elapsed : 0;
    return { cpu: rounded(cpu), loop: rounded(utilization), rss: process.memoryUsage.rss() };
  }
}

function rounded(share: number): number {
  return Math.round(share * 1000) / 1000;
}
