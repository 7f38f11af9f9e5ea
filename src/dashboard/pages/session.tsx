/** Pages for whoever is not signed in: signing in, and making an account by a link. */
import type { FC } from "hono/jsx";
import { utf8 } from "../../bytes/mod.ts";
import { qrModules, quietModules } from "../../control/mod.ts";
import { type Frame, Page } from "../layout.tsx";
import { ActionForm, Field, Note } from "../parts.tsx";

interface Refusal {
  readonly title: string;
  readonly text: string;
}

const Refused: FC<{ refusal: Refusal | undefined }> = ({ refusal }) =>
  refusal === undefined ? null : (
    <Note tone="bad" isAlert>
      <strong>{refusal.title}</strong>
      <p>{refusal.text}</p>
    </Note>
  );

interface LoginProps {
  readonly frame: Frame;
  readonly back: string;
  /** Whether accounts may come in by an OpenID provider. */
  readonly hasProvider: boolean;
  readonly name?: string;
  readonly refusal?: Refusal;
  readonly isOver?: boolean;
}

export const LoginPage: FC<LoginProps> = ({ frame, back, hasProvider, name, refusal, isOver }) => (
  <Page frame={frame} title="Sign in">
    <Refused refusal={refusal} />
    {isOver ? <Note tone="plain">The session is over. Sign in again.</Note> : null}
    <section class="panel" aria-labelledby="account-title">
      <header>
        <h2 id="account-title">Administrators</h2>
      </header>
      <form class="body" method="post" action="/dashboard/login" aria-labelledby="account-title">
        <input type="hidden" name="back" value={back} />
        <Field id="name" label="Name">
          <input
            id="name"
            name="name"
            value={name}
            autocomplete="username"
            autocapitalize="none"
            spellcheck={false}
            required
            maxlength={63}
          />
        </Field>
        <Field id="password" label="Password">
          <input
            id="password"
            name="password"
            type="password"
            autocomplete="current-password"
            required
            maxlength={1024}
          />
        </Field>
        <Field id="code" label="Code" hint="Only where the account has an authenticator app.">
          <CodeInput id="code" />
        </Field>
        <button type="submit" class="main">Sign in</button>
        {hasProvider
          ? (
            <p>
              <a href="/api/admin/oidc/login">Sign in with the OpenID provider</a>
            </p>
          )
          : null}
      </form>
    </section>
    <section class="panel" aria-labelledby="token-title">
      <header>
        <h2 id="token-title">Owners of services</h2>
      </header>
      <form class="body" method="post" action="/dashboard/mine/login" aria-labelledby="token-title">
        <Field id="token" label="Management token" hint="Shows the services of its owner, and nothing else.">
          <input
            id="token"
            name="token"
            type="password"
            autocomplete="off"
            required
            maxlength={4096}
            aria-describedby="token-hint"
          />
        </Field>
        <button type="submit">Show my services</button>
      </form>
    </section>
  </Page>
);

/** What a second factor is set up with: shown once, on the page that answers the form. */
export interface Setup {
  /** base32 */
  readonly secret: string;
  readonly url: string;
}

interface FactorProps {
  readonly frame: Frame;
  readonly csrf: string;
  /** Absent when a code was refused: the app has the secret. */
  readonly setup?: Setup;
  readonly refusal?: Refusal;
}

export const FactorPage: FC<FactorProps> = ({ frame, csrf, setup, refusal }) => (
  <Page frame={frame} title="Second factor">
    <Refused refusal={refusal} />
    {setup === undefined ? null : (
      <section class="panel" aria-labelledby="app-title">
        <header>
          <h2 id="app-title">Into the authenticator app</h2>
        </header>
        <div class="body">
          <QrCode text={setup.url} label="QR code for the app" />
          <p>Or type this secret there. It is shown once.</p>
          <code class="secret" id="secret">{setup.secret}</code>
        </div>
      </section>
    )}
    <section class="panel" aria-labelledby="confirm-title">
      <header>
        <h2 id="confirm-title">What the app shows</h2>
      </header>
      <div class="body">
        <ActionForm action="/dashboard/account/factor/confirm" csrf={csrf} label="Confirm the app">
          <div class="body">
            <Field id="code" label="Code" hint="From then on every login takes one. All other sessions end.">
              <CodeInput id="code" isRequired />
            </Field>
            <button type="submit" class="main">Confirm</button>
          </div>
        </ActionForm>
      </div>
    </section>
  </Page>
);

/** Six digits of an app; browsers and phones know where to get them. */
export const CodeInput: FC<{ id: string; isRequired?: boolean }> = ({ id, isRequired = false }) => (
  <input
    id={id}
    name={id}
    inputmode="numeric"
    autocomplete="one-time-code"
    pattern="[0-9]{6}"
    maxlength={6}
    required={isRequired}
    aria-describedby={`${id}-hint`}
  />
);

/** Dark on light whatever the page looks like: scanners need that. */
const QrCode: FC<{ text: string; label: string }> = ({ text, label }) => {
  const modules = qrModules(utf8(text));
  const size = modules.length + 2 * quietModules;
  const path = modules.flatMap((row, y) =>
    row.flatMap((isDark, x) => isDark ? [`M${x + quietModules} ${y + quietModules}h1v1h-1z`] : [])
  ).join("");
  return (
    <svg
      class="qr"
      role="img"
      aria-label={label}
      viewBox={`0 0 ${size} ${size}`}
      shape-rendering="crispEdges"
    >
      <rect width={size} height={size} fill="#fff" />
      <path d={path} fill="#000" />
    </svg>
  );
};

export const SetupPage: FC<{ frame: Frame; name?: string; refusal?: Refusal }> = (
  { frame, name, refusal },
) => (
  <Page frame={frame} title="Make an account">
    <Refused refusal={refusal} />
    <section class="panel" aria-labelledby="setup-title">
      <header>
        <h2 id="setup-title">By a link</h2>
      </header>
      <form class="body" method="post" action="/dashboard/setup" aria-labelledby="setup-title">
        <Field
          id="secret"
          label="Code"
          hint="What stands behind the # of the link. It counts once."
        >
          <input
            id="secret"
            name="secret"
            type="password"
            autocomplete="off"
            required
            maxlength={128}
            data-from-fragment
            aria-describedby="secret-hint"
          />
        </Field>
        <Field id="name" label="Name" hint="Lower-case letters, digits and ._@+-">
          <input
            id="name"
            name="name"
            value={name}
            autocomplete="username"
            autocapitalize="none"
            spellcheck={false}
            required
            maxlength={63}
            pattern="[a-z0-9][a-z0-9._@+\-]{0,62}"
            aria-describedby="name-hint"
          />
        </Field>
        <Field id="password" label="Password" hint="12 characters at least.">
          <input
            id="password"
            name="password"
            type="password"
            autocomplete="new-password"
            required
            minlength={12}
            maxlength={1024}
            aria-describedby="password-hint"
          />
        </Field>
        <button type="submit" class="main">Make account and sign in</button>
      </form>
    </section>
  </Page>
);

export const ErrorPage: FC<
  {
    frame: Frame;
    status: number;
    code: string;
    title: string;
    text: string;
    remedy: string;
    requestId: string;
  }
> = ({ frame, status, code, title, text, remedy, requestId }) => (
  <Page frame={frame} title={title}>
    <Note tone="bad" isAlert>
      <p>{text}</p>
    </Note>
    <section class="panel" aria-label="What can be done">
      <div class="body">
        <p>{remedy}</p>
        <dl class="facts">
          <dt>Code</dt>
          <dd>
            <code>{code}</code> ({status})
          </dd>
          {requestId === "" ? null : (
            <>
              <dt>Request id</dt>
              <dd>
                <code>{requestId}</code>
              </dd>
            </>
          )}
        </dl>
        <p>
          <a href="/dashboard">To the overview</a>
        </p>
      </div>
    </section>
  </Page>
);
