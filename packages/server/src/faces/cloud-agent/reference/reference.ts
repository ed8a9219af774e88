/** The reference as data: every procedure of the router, with its guard and its input as JSON Schema. */
import { z } from 'zod'
import { type Demand, demandSchema } from '../../../identity/authorize.ts'
import { type Entry, entries } from './entries.ts'

export type JsonSchema = Record<string, unknown>
export type Procedure = {
  name: string
  kind: string
  guard: string
  input: JsonSchema | null
  entry: Entry | null
}

type Definition = { _def: { type: string; meta?: unknown; inputs?: unknown[] } }

export function referenceOf(procedures: Record<string, Definition>): Procedure[] {
  const known: Record<string, Entry | undefined> = entries
  return Object.entries(procedures).map(([name, { _def }]) => {
    const entry = known[name] ?? null
    const given = entry?.input ?? _def.inputs?.at(-1)
    return {
      name,
      kind: _def.type,
      guard: guardOf(demandSchema.safeParse(_def.meta).data),
      input: given instanceof z.ZodType ? jsonSchemaOf(given) : null,
      entry,
    }
  })
}

/** As callers write it; what a schema cannot say is anything. */
export const jsonSchemaOf = (schema: z.ZodType): JsonSchema =>
  z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', target: 'draft-2020-12' })

const guardOf = (demand: Demand | undefined): string =>
  demand ? `${demand.scope}${demand.internal ? ', and the internal key' : ''}` : 'anybody'
