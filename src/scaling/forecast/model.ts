/** A forecast of one series on a regular grid. */
export interface ForecastModel {
  /** In words, for `explain`. */
  readonly name: string;
  /** Steps of the season; 0 without one. */
  readonly season: number;
  /** Takes the value of the next step. */
  update(value: number): void;
  /** The value expected `steps` after the latest; 1 is the next. */
  forecast(steps: number): number;
}
