/** The dashboard: pages for administrators, beside the API. */
export { type Dashboard, dashboard } from "./app.tsx";
export { isDashboardPath } from "./layout.tsx";
