/** What a mean goes on from. */
export interface KeptMean {
  startUs: number;
  atUs: number;
  total: number;
  last: number | null;
}

/** The mean over time of a figure that is looked at now and then: each look stands for the time since the one before. */
export class TimeMean {
  private total: number;
  private atUs: number;
  private readonly startUs: number;
  private last: number | null;

  /** @param startUs from when on; a clock that only goes forward, µs: one of `kept` */
  constructor(startUs: number | KeptMean) {
    const kept = typeof startUs === 'number' ? {startUs, atUs: startUs, total: 0, last: null} : startUs;
    this.startUs = kept.startUs;
    this.atUs = kept.atUs;
    this.total = kept.total;
    this.last = kept.last;
  }

  /** All that another one needs to go on. */
  kept(): KeptMean {
    const {startUs, atUs, total, last} = this;
    return {startUs, atUs, total, last};
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
