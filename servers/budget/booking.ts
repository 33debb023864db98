/** Books the cost of a streamed answer while the answer grows, and settles it at the end. */
import type { Ledger, Reservation } from './ledger.js';

/** Milliseconds between two bookings. If the process dies, the ledger misses at most the cost of this time. */
const INTERVAL = 1000;

export interface BookingOptions {
  readonly ledger: Ledger;
  readonly reservation: Reservation;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Called with each error of a booking. The next one, or the settlement, replaces it. */
  readonly onError: (error: unknown) => void;
}

export class Booking {
  #booked: number | undefined;
  #bookedAt = -Infinity;
  #last: Promise<void> = Promise.resolve();
  #isBusy = false;

  constructor(private readonly options: BookingOptions) {}

  /** The cost has grown. The first call books it at once, a later one if the last booking is old enough. */
  grow(costMicros: number): void {
    const { ledger, reservation, now, onError } = this.options;
    const elapsed = now() - this.#bookedAt; // negative if the clock was set back
    if (this.#isBusy || costMicros === 0 || (elapsed >= 0 && elapsed < INTERVAL)) return;
    this.#isBusy = true;
    this.#bookedAt = now();
    this.#last = ledger
      .book(reservation, this.#spend(costMicros), this.#booked)
      .then((id) => void (this.#booked = id))
      .catch(onError)
      .finally(() => (this.#isBusy = false));
  }

  /** Replaces the reservation and all bookings by the final cost, which may exceed the reservation. */
  async settle(costMicros: number): Promise<void> {
    const { ledger, reservation } = this.options;
    await this.#last;
    await ledger.settle(reservation, costMicros === 0 ? [] : [this.#spend(costMicros)], this.#booked);
  }

  #spend(costMicros: number) {
    return { cohort: this.options.reservation.cohort, workflow: 'burst-stream', costMicros };
  }
}
