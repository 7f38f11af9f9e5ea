/** An instant for people and in JSON: ISO 8601 in UTC, to the millisecond. @param ms since the Unix epoch */
export function instant(ms: number): string {
  return new Date(ms).toISOString();
}
