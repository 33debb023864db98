/** The live state for the pages and for the terminal: the latest frame, and the traffic of the last minute. */
import type { Frame } from '../../web/fleet-sampler.js';
import type { TrafficPoint } from '../../web/traffic-merge.js';

/** Number of points stored: one minute at two seconds per point. Longer ranges come from the services' own history. */
const MAX_POINTS = 30;

/** Name of a limit on requests in flight: the service and the key. */
export function slotName(service: string, key: string): string {
  return key === 'all' ? service : `${service} → ${key}`;
}

export class FleetHistory {
  latest: Frame | undefined;
  points: TrafficPoint[] = [];

  /** Adds a frame. A frame that was already added is ignored; the stream repeats frames after a reconnect. */
  add(frame: Frame): void {
    if (this.latest !== undefined && frame.at <= this.latest.at) return;
    this.latest = frame;
    for (const point of frame.points) if (point.slot > (this.points.at(-1)?.slot ?? 0)) this.points.push(point);
    this.points = this.points.slice(-MAX_POINTS);
  }

  /** Duration of a point in milliseconds. */
  get slotMs(): number {
    return this.latest?.slotMs ?? 2000;
  }
}
