/** The program and settings of an instance, as a fingerprint. With it, instances of a predecessor can be compared. */
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { FleetConfig } from '../support/config.js';
import type { ServiceName } from '../support/fleet.js';
import type { LeftInstance } from './predecessor.js';

/** A fingerprint shows whether a program and its settings are equal, but reveals nothing about them. */
function fingerprintOf(program: string, settings: object, secret: string): string {
  return createHmac('sha256', secret).update(readFileSync(program)).update(JSON.stringify(settings)).digest('hex');
}

export class Origin {
  /** The URL of the orchestrator, which the instances receive. */
  url = '';
  readonly #fingerprints = new Map<string, string>();

  constructor(
    private readonly programOf: (service: ServiceName) => string,
    private readonly settings: FleetConfig,
    private readonly secret: string,
  ) {}

  of({ service }: { readonly service: string }): Pick<LeftInstance, 'fingerprint' | 'orchestrator_url'> {
    const known = this.#fingerprints.get(service);
    const fingerprint = known ?? fingerprintOf(this.programOf(service as ServiceName), this.settings, this.secret);
    this.#fingerprints.set(service, fingerprint);
    return { fingerprint, orchestrator_url: this.url };
  }

  isOf(left: LeftInstance): boolean {
    const { fingerprint, orchestrator_url } = this.of(left);
    return left.fingerprint === fingerprint && left.orchestrator_url === orchestrator_url;
  }
}
