import { z } from "zod";
import { environmentName, instant, plainText } from "./common.ts";

export const newEnvironmentBody = z.strictObject({
  name: environmentName,
  description: plainText(200).default(""),
});

export const environmentSchema = z
  .object({
    name: environmentName,
    description: z.string(),
    createdAt: instant("When it was made."),
    createdBy: z.string(),
  })
  .meta({ id: "Environment", description: "A stage of software: who may do what is decided per environment." });
