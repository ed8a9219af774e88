/** The query of a request: every parameter once, none that the route does not know, each in its form. */
import { z } from 'zod'
import { type FacadeCode, FacadeRefusal } from './refusal.ts'

export type Query = ReadonlyMap<string, string>

/** `unknown` is the route's code for a parameter that it does not have. */
export function readQuery(search: URLSearchParams, known: readonly string[], unknown: FacadeCode): Query {
  const query = new Map<string, string>()
  for (const [name, value] of search) {
    if (query.has(name)) throw new FacadeRefusal('KILO_QUERY_INVALID', `${quoted(name)}: is given twice.`)
    query.set(name, value)
  }
  for (const name of query.keys()) {
    if (!known.includes(name)) throw new FacadeRefusal(unknown, `${quoted(name)}: is no parameter of this route.`)
  }
  return query
}

const quoted = (name: string) => name.slice(0, 100)

export function readValue<Schema extends z.ZodType>(
  query: Query,
  name: string,
  schema: Schema,
): z.output<Schema> | undefined {
  const given = query.get(name)
  if (given === undefined) return undefined
  const parsed = schema.safeParse(given)
  if (parsed.success) return parsed.data
  throw new FacadeRefusal('KILO_QUERY_INVALID', `${name}: ${parsed.error.issues[0]?.message ?? 'is not valid'}.`)
}

export const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,16}$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `must be a whole number from ${min} to ${max}`)
