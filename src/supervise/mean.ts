/** The mean over time of a figure that is looked at now and then: each look stands for the time since the one before. */
export class TimeMean {
  private total = 0;
  private atUs: number;
  private readonly startUs: number;
  private last: number | null = null;

  /** @param startUs from when on; a clock that only goes forward, µs */
  constructor(startUs: number) {
    this.startUs = startUs;
    this.atUs = startUs;
  }

  /** The value that held since the last one, up to a moment of the monotonic clock, µs. */
  add(value: number, atUs: number): void {
    this.total += value * (atUs - this.atUs);
    this.atUs = atUs;
    this.last = value;
  }

  /** Rounded; null before the first look. */
  get value(): number | null {
    const overUs = this.atUs - this.startUs;
    return this.last === null ? null : Math.round(overUs > 0 ? this.total / overUs : this.last);
  }
}
