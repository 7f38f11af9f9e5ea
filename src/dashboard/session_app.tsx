/** Signing in and out, accounts by a link, and the theme. Names, passwords and sessions are judged by the API. */
import type { Hono } from "hono";
import { setCookie } from "hono/cookie";
import { codeOf, PosternError } from "../errors/mod.ts";
import { askApi } from "./api_call.ts";
import type { DashboardEnv } from "./env.ts";
import { readForm } from "./form.ts";
import { strangerFrame, themeCookie } from "./frames.ts";
import { themes } from "./layout.tsx";
import { LoginPage, SetupPage } from "./pages/session.tsx";
import { ownPath, pageOf, refusalOf, statusOf } from "./responses.ts";
import type { DashboardDeps } from "./visit.ts";

/** How long a browser keeps the theme. */
const themeLifeSeconds = 365 * 86_400;

export function addSessionPages(app: Hono<DashboardEnv>, deps: DashboardDeps): void {
  const hasProvider = deps.control.oidc !== undefined;

  app.get("/dashboard/login", (context) => {
    const back = ownPath(context.req.query("back"));
    const isOver = context.req.query("over") !== undefined;
    return context.html(
      pageOf(
        <LoginPage
          frame={strangerFrame(deps, context)}
          hasProvider={hasProvider}
          back={back}
          isOver={isOver}
        />,
      ),
    );
  });

  app.post("/dashboard/login", async (context) => {
    const form = await readForm(context);
    const name = form.text("name");
    const back = ownPath(form.text("back"));
    try {
      const code = form.text("code");
      const password = form.secret("password");
      await askApi(deps, context, "/api/admin/login", { name, password, ...(code === "" ? {} : { code }) });
    } catch (error) {
      const refusal = refusalOf(error);
      const page = (
        <LoginPage
          frame={strangerFrame(deps, context)}
          hasProvider={hasProvider}
          back={back}
          name={name}
          refusal={refusal}
        />
      );
      return context.html(pageOf(page), statusOf(error));
    }
    return context.redirect(back, 303);
  });

  app.get(
    "/dashboard/setup",
    (context) => context.html(pageOf(<SetupPage frame={strangerFrame(deps, context)} />)),
  );

  app.post("/dashboard/setup", async (context) => {
    const form = await readForm(context);
    const name = form.text("name");
    try {
      const secret = form.text("secret");
      await askApi(deps, context, "/api/admin/setup", { secret, name, password: form.secret("password") });
    } catch (error) {
      const page = <SetupPage frame={strangerFrame(deps, context)} name={name} refusal={refusalOf(error)} />;
      return context.html(pageOf(page), statusOf(error));
    }
    return context.redirect("/dashboard", 303);
  });

  app.post("/dashboard/logout", async (context) => {
    const form = await readForm(context);
    try {
      await askApi(deps, context, "/api/admin/logout", {}, form.text("csrf"));
    } catch (error) {
      // Whoever's session is over already is where they want to be.
      if (codeOf(error) !== "admin_session_ended" && codeOf(error) !== "authorization_required") throw error;
    }
    return context.redirect("/dashboard/login", 303);
  });

  // Nothing of an account is changed: only how this browser is answered.
  app.post("/dashboard/theme", async (context) => {
    const form = await readForm(context);
    const theme = themes.find((one) => one === form.text("theme"));
    if (theme === undefined) {
      throw new PosternError("request_invalid", "Cannot read request: theme: must be auto, light or dark");
    }
    setCookie(context, themeCookie, theme, {
      path: "/dashboard",
      httpOnly: true,
      sameSite: "Strict",
      secure: new URL(context.req.url).protocol === "https:",
      maxAge: themeLifeSeconds,
    });
    return context.redirect(ownPath(form.text("back")), 303);
  });
}
