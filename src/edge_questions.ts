/**
 * Edges that share a database ask each other what each of them has now. Questions and answers go by announcements: nothing
 * of them is written down, and nothing is sent while nobody asks.
 *
 *   asked      questionId, from (process), to? (edge id), question
 *   answered   questionId, to (process), from (process), part, parts, rows
 */
import type { AskEdges, EdgeAnswer, EdgeQuestion } from "./control/mod.ts";
import { questionOf } from "./control/mod.ts";
import { codeOf, PosternError } from "./errors/mod.ts";
import type { Announcement, AnnouncementStore, Clock, Log, Random } from "./ports/mod.ts";

/** Longest wait for the answers of others: what is asked for has to be there within two seconds. */
export const ANSWER_MS = 1_500;
/** Longest wait for one that did not answer the last time: it was killed, most likely. */
export const SILENT_MS = 250;
/** How long answers of others are good for whoever asks the same: pages that are open ask every two seconds. */
const KEEP_MS = 1_000;
/** Questions of which answers are kept. */
const MAX_KEPT = 64;
/** JSON of the rows of one announcement: PostgreSQL takes 8,000 bytes. */
export const MAX_PART_BYTES = 6_000;
/** Parts of one answer that are waited for. */
const MAX_PARTS = 1_024;

export type Asked = Extract<Announcement, { kind: "asked" }>;
export type Answered = Extract<Announcement, { kind: "answered" }>;

/** A process of an edge that is there. */
export interface OtherEdge {
  readonly instanceId: string;
  readonly edgeId: string;
}

export interface EdgeQuestionsOptions {
  readonly store: Pick<AnnouncementStore, "announce">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly self: OtherEdge;
  readonly others: () => readonly OtherEdge[];
  /** What this edge has to say. */
  readonly answer: (question: EdgeQuestion) => Promise<readonly unknown[]>;
}

interface Waiting {
  /** By process: its parts so far. */
  readonly expected: Map<string, { edgeId: string; parts: (readonly unknown[])[]; missing: number }>;
  readonly answers: EdgeAnswer[];
  /** Those that are not waited for any more. */
  givenUp: ReadonlySet<string>;
  readonly done: () => void;
}

interface Kept {
  readonly untilMs: number;
  readonly answers: ReturnType<AskEdges>;
}

export class EdgeQuestions {
  readonly #options: EdgeQuestionsOptions;
  /** By question. */
  readonly #waiting = new Map<string, Waiting>();
  readonly #kept = new Map<string, Kept>();
  /** Processes that did not answer the last time. */
  #silent: ReadonlySet<string> = new Set();

  constructor(options: EdgeQuestionsOptions) {
    this.#options = options;
  }

  readonly ask: AskEdges = async (question, edgeId) => {
    const { self, others, answer } = this.#options;
    const meant = others().filter((other) => edgeId === undefined || other.edgeId === edgeId);
    const isOwn = edgeId === undefined || edgeId === self.edgeId;
    if (!isOwn && meant.length === 0) {
      throw new PosternError("edge_unknown", "Cannot ask edge: none of this id is in service");
    }
    const isLook = question.kind !== "drain" && question.kind !== "resume";
    const asked = isLook ? this.#keptOr(question, meant) : this.#askOthers(question, edgeId, meant);
    const own = isOwn ? [{ edgeId: self.edgeId, rows: await answer(question) }] : [];
    const told = await asked;
    return { answers: [...own, ...told.answers], silent: told.silent };
  };

  /** Another edge asks. Does not throw. */
  asked({ questionId, from, to, question }: Asked): void {
    if (to !== undefined && to !== this.#options.self.edgeId) return;
    void this.#reply(questionId, from, question);
  }

  /** Another edge answers, maybe somebody else. */
  answered({ questionId, to, from, part, parts, rows }: Answered): void {
    const waiting = this.#waiting.get(questionId);
    const expected = waiting?.expected.get(from);
    if (to !== this.#options.self.instanceId || waiting === undefined || expected === undefined) return;
    if (parts > MAX_PARTS || part >= parts || expected.parts[part] !== undefined) return;
    if (expected.missing < 0) expected.missing = parts;
    expected.parts[part] = rows;
    if (--expected.missing > 0) return;
    waiting.expected.delete(from);
    waiting.answers.push({ edgeId: expected.edgeId, rows: expected.parts.flat() });
    endIfWhole(waiting);
  }

  #keptOr(question: EdgeQuestion, meant: readonly OtherEdge[]): ReturnType<AskEdges> {
    const { clock } = this.#options;
    const key = JSON.stringify(question);
    const kept = this.#kept.get(key);
    if (kept !== undefined && kept.untilMs > clock.now()) return kept.answers;
    const answers = this.#askOthers(question, undefined, meant);
    this.#kept.delete(key);
    this.#kept.set(key, { untilMs: clock.now() + KEEP_MS, answers });
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MAX_KEPT) break;
      this.#kept.delete(oldest);
    }
    return answers;
  }

  async #askOthers(
    question: EdgeQuestion,
    edgeId: string | undefined,
    meant: readonly OtherEdge[],
  ): ReturnType<AskEdges> {
    if (meant.length === 0) return { answers: [], silent: [] };
    const { store, clock, random, self, log } = this.#options;
    const questionId = random(16).toHex();
    const { promise, resolve } = Promise.withResolvers<void>();
    const expected: Waiting["expected"] = new Map(
      meant.map((other) => [other.instanceId, { edgeId: other.edgeId, parts: [], missing: -1 }]),
    );
    const waiting: Waiting = { expected, answers: [], givenUp: new Set(), done: resolve };
    this.#waiting.set(questionId, waiting);
    const cancels = [
      clock.schedule(clock.now() + ANSWER_MS, resolve),
      clock.schedule(clock.now() + SILENT_MS, () => {
        waiting.givenUp = this.#silent;
        endIfWhole(waiting);
      }),
    ];
    try {
      await store.announce({ kind: "asked", questionId, from: self.instanceId, to: edgeId, question });
      await promise;
    } catch (error) {
      log("warn", "other edges not asked", { code: codeOf(error) });
    } finally {
      for (const cancel of cancels) cancel();
      this.#waiting.delete(questionId);
    }
    const answered = new Set(meant.map(({ instanceId }) => instanceId).filter((each) => !expected.has(each)));
    const isSilent = (instanceId: string) =>
      expected.has(instanceId) || (this.#silent.has(instanceId) && !answered.has(instanceId));
    const there = this.#options.others();
    this.#silent = new Set(there.map(({ instanceId }) => instanceId).filter(isSilent));
    return { answers: waiting.answers, silent: [...expected.values()].map((silent) => silent.edgeId) };
  }

  async #reply(questionId: string, to: string, sent: unknown): Promise<void> {
    const { store, self, answer, log } = this.#options;
    const question = questionOf(sent);
    if (question === undefined) return; // of a newer version: it is told that this edge is silent
    try {
      const parts = partsOf(await answer(question));
      for (const [part, rows] of parts.entries()) {
        const about = { questionId, to, from: self.instanceId, part, parts: parts.length };
        await store.announce({ kind: "answered", ...about, rows });
      }
    } catch (error) {
      log("warn", "question of another edge not answered", { kind: question.kind, code: codeOf(error) });
    }
  }
}

function endIfWhole({ expected, givenUp, done }: Waiting): void {
  if ([...expected.keys()].every((instanceId) => givenUp.has(instanceId))) done();
}

/** Rows in their order, as many together as one announcement takes; one part at least. */
function partsOf(rows: readonly unknown[]): unknown[][] {
  const parts: unknown[][] = [[]];
  let bytes = 0;
  for (const row of rows) {
    const size = new TextEncoder().encode(JSON.stringify(row)).length + 1;
    if (bytes > 0 && bytes + size > MAX_PART_BYTES) {
      parts.push([]);
      bytes = 0;
    }
    parts[parts.length - 1].push(row);
    bytes += size;
  }
  return parts;
}
