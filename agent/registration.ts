/** A service's tunnel at control: created, or taken up again under the same name. */
import type { ServiceConfig } from "../src/config/mod.ts";
import { codeOf, PosternError } from "../src/errors/mod.ts";
import type { Clock, Log } from "../src/ports/mod.ts";
import type { ServiceRules } from "../src/rules/mod.ts";
import type { ControlClient } from "./control_client.ts";
import type { CreateAnswer } from "./control_messages.ts";
import { publicNameOf } from "./public_name.ts";
import { rulesOf } from "./service_rules.ts";
import { TOKEN_IS_REFUSED, TOKEN_IS_SPENT } from "./token_refusals.ts";
import { tokenTimes } from "./token_times.ts";
import type { TunnelStore } from "./tunnel_store.ts";

/** Shortest time between two renewals. */
const MIN_RENEWAL_MS = 30_000;
/** What is assumed of a token that does not say when it ends. */
const DEFAULT_LIFE_MS = 3_600_000;

export class Registration {
  readonly #control: Pick<ControlClient, "create" | "hasToken">;
  readonly #store: Pick<TunnelStore, "get" | "set">;
  readonly #service: ServiceConfig;
  readonly #key: string;
  readonly #log: Log;
  /** The name of before, asked for again when its token is of no use any more. */
  #lastName: string | undefined;
  #turn: Promise<void> = Promise.resolve();

  /** @param key under which the tunnel is stored */
  constructor(
    options: {
      control: Pick<ControlClient, "create" | "hasToken">;
      store: Pick<TunnelStore, "get" | "set">;
      service: ServiceConfig;
      key: string;
      log: Log;
    },
  ) {
    this.#control = options.control;
    this.#store = options.store;
    this.#service = options.service;
    this.#key = options.key;
    this.#log = options.log;
    this.#lastName = this.#store.get(this.#key)?.name;
  }

  /**
   * Candidates and a fresh stage 0 token, with the service's rules told anew. Throws what control refuses with, what
   * reading the rules throws, and `rules_unsupported`. One at a time: the token that one call brings home is the one that
   * the next has to show.
   */
  renew(signal: AbortSignal): Promise<CreateAnswer> {
    const answer = this.#turn.then(() => this.#renew(signal));
    this.#turn = answer.then(() => {}, () => {});
    return answer;
  }

  async #renew(signal: AbortSignal): Promise<CreateAnswer> {
    const rules = await rulesOf(this.#service);
    const answer = await this.#asked(signal, rules);
    // A control plane that does not know rules passes them over: the service would stand open.
    if (answer.rules_revision === undefined && Object.keys(rules).length > 0) {
      throw new PosternError(
        "rules_unsupported",
        "Cannot publish the service: control does not hold its rules",
      );
    }
    if (this.#service.requireTier === "tpm" && answer.require_tier !== "tpm") {
      throw new PosternError(
        "rules_unsupported",
        "Cannot publish the service: control does not hold the tier that it demands",
      );
    }
    return answer;
  }

  /** A fresh recreate token. Rules stay as they are: several agents of one name would overwrite each other's. */
  async renewToken(signal: AbortSignal): Promise<void> {
    await this.#asked(signal, undefined);
  }

  /**
   * Renews the recreate token whenever it is due, so that a break after weeks does not cost the name; ends with the
   * function that it returns.
   */
  keepRenewed(clock: Clock, signal: AbortSignal): () => void {
    let isOver = false;
    let cancel = () => {};
    const next = () => {
      cancel = clock.schedule(clock.now() + this.renewalDueMs(clock.wall()), async () => {
        await this.renewToken(signal).catch((error) => {
          if (!signal.aborted) this.#log("warn", "recreate token was not renewed", { code: codeOf(error) });
        });
        if (!isOver) next();
      });
    };
    next();
    return () => {
      isOver = true;
      cancel();
    };
  }

  async #asked(signal: AbortSignal, rules: ServiceRules | undefined): Promise<CreateAnswer> {
    const answer = await this.#ask(signal, rules);
    if (answer.note !== undefined) this.#log("info", "control has a note", { note: answer.note });
    const name = publicNameOf(answer.public_hostname);
    this.#lastName = name;
    if (answer.recreate_token !== undefined) {
      const { tunnel_id, recreate_token } = answer;
      await this.#store.set(this.#key, { tunnel_id, name, recreate_token });
    }
    return answer;
  }

  /**
   * Milliseconds after which the recreate token is to be renewed: half of what is left of it at `wallMs`, at least
   * {@link MIN_RENEWAL_MS}. An agent that stays online for weeks keeps its name through the next break by it.
   */
  renewalDueMs(wallMs: number): number {
    const token = this.#store.get(this.#key)?.recreate_token;
    const leftMs = token === undefined ? undefined : tokenTimes(token)?.expiresAtMs;
    return Math.max(MIN_RENEWAL_MS, ((leftMs ?? wallMs + DEFAULT_LIFE_MS) - wallMs) / 2);
  }

  async #ask(signal: AbortSignal, rules: ServiceRules | undefined): Promise<CreateAnswer> {
    const configured = this.#service.name ?? undefined;
    const stored = this.#store.get(this.#key);
    if (stored !== undefined) {
      try {
        return await this.#recreate(configured, stored.recreate_token, rules, signal);
      } catch (error) {
        if (codeOf(error) === "token_revoked" && this.#control.hasToken) {
          // Which of the two was revoked is not told: with the management token alone it shows.
          return await this.#create(configured ?? this.#lastName, undefined, rules, signal);
        }
        if (!TOKEN_IS_SPENT.has(codeOf(error))) throw error;
        this.#log("info", "recreate token is of no use any more", { code: codeOf(error) });
        await this.#store.set(this.#key, undefined);
      }
    }
    if (configured === undefined && this.#lastName !== undefined) {
      try {
        return await this.#create(this.#lastName, undefined, rules, signal);
      } catch (error) {
        if (codeOf(error) !== "name_taken" && codeOf(error) !== "name_reserved") throw error;
        this.#log("warn", "the name of before is taken, another one is asked for", { name: this.#lastName });
        this.#lastName = undefined;
      }
    }
    return await this.#create(configured, undefined, rules, signal);
  }

  /** An expired management token must not cost the name that the recreate token still stands for. */
  async #recreate(
    name: string | undefined,
    token: string,
    rules: ServiceRules | undefined,
    signal: AbortSignal,
  ): Promise<CreateAnswer> {
    try {
      return await this.#create(name, token, rules, signal);
    } catch (error) {
      if (!this.#control.hasToken || !TOKEN_IS_REFUSED.has(codeOf(error))) throw error;
      const answer = await this.#create(name, token, rules, signal, true);
      this.#log("warn", "management token is refused, the recreate token still serves", {
        code: codeOf(error),
        service: name,
      });
      return answer;
    }
  }

  #create(
    name: string | undefined,
    recreateToken: string | undefined,
    rules: ServiceRules | undefined,
    signal: AbortSignal,
    alone = false,
  ): Promise<CreateAnswer> {
    const { requireTier } = this.#service;
    return this.#control.create(
      {
        ...(name === undefined ? {} : { requested_name: name }),
        ...(recreateToken === undefined ? {} : { recreate_token: recreateToken }),
        preferred_transports: ["wss"],
        protocol: this.#service.private ? "private" : this.#service.protocol,
        weight: this.#service.weight,
        ...(requireTier === null || rules === undefined ? {} : { require_tier: requireTier }),
        ...(rules === undefined ? {} : { rules }),
      },
      signal,
      alone,
    );
  }
}
