/** What the nodes of one run did. Counted from {@link Counts.begin} on. */
export class Counts {
  /** Milliseconds of each renewal, from request to certificate. */
  readonly renewalMs: number[] = [];
  /** Codes of renewals that were refused or not answered; they are tried again. */
  readonly failures: string[] = [];
  /** Channels that ended. */
  readonly losses: string[] = [];
  /** Certificates that ended before the next one was there. */
  missed = 0;
  /** Longest time in which the process of the nodes did nothing that it was to do, milliseconds. */
  stallMs = 0;
  #isOn = false;

  begin(): void {
    this.#isOn = true;
  }

  end(): void {
    this.#isOn = false;
  }

  stalled(ms: number): void {
    if (this.#isOn) this.stallMs = Math.max(this.stallMs, ms);
  }

  renewed(ms: number): void {
    if (this.#isOn) this.renewalMs.push(ms);
  }

  failed(code: string): void {
    if (this.#isOn) this.failures.push(code);
  }

  lost(what: string): void {
    if (this.#isOn) this.losses.push(what);
  }
}
