/** JSON of rules among nodes. */
import { z } from "@hono/zod-openapi";
import { instantSchema } from "./schemas.ts";

/** `label=` and a label. */
const maxSelectorChars = 70;
const selector = z.string().min(1).max(maxSelectorChars);

export const nodeRuleSchema = z.object({
  connector: selector.openapi({
    description: "An id, a pattern of ids with `*`, or `label=NAME`.",
    example: "eu-*",
  }),
  tunneler: selector.openapi({ description: "As connector.", example: "label=office" }),
}).openapi("NodeRule");

export const nodeRulesSchema = z.object({
  rules: z.array(nodeRuleSchema.extend({ added_by: z.string(), added_at: instantSchema })),
}).openapi("NodeRules");

export const nodeRulesChangedSchema = z.object({
  changed: z.boolean().openapi({ description: "False: it was so before." }),
}).openapi("NodeRulesChanged");
