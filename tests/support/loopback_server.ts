/** A real HTTP server on loopback that answers as the test says, and can be killed and started again on its port. */
export type Answer = (request: Request) => Response | Promise<Response>;

export class LoopbackServer implements AsyncDisposable {
  /** What it does with the next requests. */
  answer: Answer;
  /** Bodies of the requests, oldest first. */
  readonly bodies: string[] = [];
  /** Methods and fields of the same requests. */
  readonly requests: { readonly method: string; readonly headers: Headers }[] = [];
  readonly port: number;
  #server: Deno.HttpServer<Deno.NetAddr> | undefined;
  #waiting: { readonly count: number; readonly resolve: () => void }[] = [];

  constructor(answer: Answer) {
    this.answer = answer;
    this.#server = this.#serve(0);
    this.port = this.#server.addr.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/verify`;
  }

  /** Resolves when so many requests have arrived in all. */
  async arrived(count: number): Promise<void> {
    if (this.bodies.length >= count) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ count, resolve });
    await promise;
  }

  async kill(): Promise<void> {
    await this.#server?.shutdown();
    this.#server = undefined;
  }

  start(): void {
    this.#server ??= this.#serve(this.port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #serve(port: number): Deno.HttpServer<Deno.NetAddr> {
    return Deno.serve(
      { hostname: "127.0.0.1", port, onListen() {}, onError: () => new Response(null, { status: 500 }) },
      async (request) => {
        this.requests.push({ method: request.method, headers: new Headers(request.headers) });
        this.bodies.push(await request.text());
        this.#waiting = this.#waiting.filter(({ count, resolve }) => {
          if (this.bodies.length < count) return true;
          resolve();
          return false;
        });
        return await this.answer(request);
      },
    );
  }
}
