/** What is remembered of questions whose answers are awaited. */

/** A question that was asked and may be answered once. */
export interface ChallengeRecord {
  readonly challengeId: string;
  readonly expiresAtMs: number;
  /** Who was asked: opaque, counted only. */
  readonly subject: string;
  /** Who answers for all that is asked of its subjects: opaque, counted only. */
  readonly owner: string;
  /** JSON of whoever asked. */
  readonly body: string;
}

export interface ChallengeStore {
  /** Throws `challenge_limit_reached` when too many of one subject or owner are open, `challenges_full` when too many are at all. */
  putChallenge(challenge: ChallengeRecord, maxPerSubject: number): Promise<void>;
  /** Returns and removes it: undefined from the second call on, also for other processes. */
  takeChallenge(challengeId: string): Promise<ChallengeRecord | undefined>;
}
